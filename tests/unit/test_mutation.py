"""That the trial of changes (tests/mutation) tells what it should."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from mutation import survivors
from mutation.__main__ import faults
from mutation.children import BrokenError, Job, Outcome, run
from mutation.mutants import CORE, GATED, Mutant, mutants, path_of
from mutation.placing import function_of, into_function
from neon_tenants.core.intent import Attempt

INTENT = "neon_tenants.core.intent"
ATTEMPT = Attempt("n", 100.0, 60.0)


def change(text: str) -> Mutant:
    return next(mutant for mutant in mutants(INTENT) if text in mutant.text)


def places_of(module: str) -> set[str]:
    """Every function and method of a module, as the list of survivors calls them."""
    tree = ast.parse(path_of(module).read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = {f"{c.name}.{n.name}" for c in classes for n in c.body if isinstance(n, ast.FunctionDef)}
    return methods | {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} | {"(import)"}


def test_every_listed_survivor_speaks_of_code_that_stands() -> None:
    for name, reason in survivors.listed().items():
        module, text = name.split(" ", 1)
        place, changed = text.split(": ", 1)
        line = changed.rsplit(" | ", 1)[0]
        path = f"neon_tenants.{module}"
        assert place in places_of(path), name
        assert line in [read.strip() for read in path_of(path).read_text().splitlines()], name
        assert len(reason) > 20, name


def test_each_change_has_a_name_of_its_own_and_changes_the_code() -> None:
    found = mutants(INTENT)
    assert len({mutant.name for mutant in found}) == len(found) > 50
    original = ast.dump(ast.parse(path_of(INTENT).read_text()))
    assert all(ast.dump(ast.parse(mutant.source())) != original for mutant in found)


def test_all_of_the_core_is_judged() -> None:
    files = {path.stem for path in path_of(INTENT).parent.glob("*.py")} - {"__init__"}
    assert {module.rpartition(".")[2] for module in CORE} == files
    assert set(GATED) > set(CORE)


def test_a_change_is_seen_by_those_who_imported_the_code_before() -> None:
    mutant = change("/ -> *")
    function = function_of(mutant)
    code = function.__code__
    assert ATTEMPT.send_before == 130.0
    try:
        into_function(mutant)
        assert ATTEMPT.send_before == 220.0
    finally:
        function.__code__ = code


def loop() -> bool:
    while True:
        pass


def stumble() -> bool:
    raise ValueError("no tests here")


@pytest.mark.parametrize(
    ("passes", "outcome"),
    [(lambda: True, Outcome.SURVIVED), (lambda: False, Outcome.KILLED), (loop, Outcome.HUNG)],
    ids=["passes", "fails", "never ends"],
)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_says_what_its_tests_said(
    passes: Callable[[], bool], outcome: Outcome, tmp_path: Path
) -> None:
    assert list(run(iter([Job("x", passes, 0.1)]), 1, tmp_path)) == [("x", outcome)]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_that_cannot_try_is_no_kill(tmp_path: Path) -> None:
    with pytest.raises(BrokenError, match="no tests here"):
        list(run(iter([Job("x", stumble, 60)]), 1, tmp_path))


def test_the_gate_wants_nine_of_ten_in_each_module_and_a_reason_for_the_rest() -> None:
    found = mutants(INTENT)[:20]
    outcomes = {mutant.name: Outcome.KILLED for mutant in found}
    assert faults(found, outcomes, {}, [INTENT]) == []
    outcomes[found[0].name] = Outcome.SURVIVED
    assert faults(found, outcomes, {}, [INTENT]) == [f"Not listed in survivors.yaml: {found[0].name}"]
    listed = {found[0].name: "equivalent"}
    assert faults(found, outcomes, listed, [INTENT]) == []
    (stale,) = faults(found, outcomes, {**listed, found[1].name: "equivalent"}, [INTENT])
    assert found[1].name in stale
    many = {mutant.name: Outcome.SURVIVED for mutant in found[:3]}
    (score,) = faults(found, outcomes | many, dict.fromkeys(many, "equivalent"), [INTENT])
    assert "85.0% of the changes of core.intent" in score
