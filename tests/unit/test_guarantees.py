"""Every row of the matrix of faults and attacks has a test that names it, or says why not."""

from __future__ import annotations

import textwrap

import pytest

from generators import guarantees
from generators.guarantees import Proof

MATRIX = guarantees.matrix()
PROOFS = guarantees.proofs()


def test_the_matrix_is_whole() -> None:
    keys = [row.key for row in MATRIX.rows]
    assert len(keys) == len(set(keys))
    assert keys[:14] == [f"I{number}" for number in range(1, 15)]
    assert {f"T{number}" for number in range(1, 22)} < set(keys)


def test_every_guarantee_and_row_names_invariants_that_there_are() -> None:
    there = {row.key for row in MATRIX.invariants}
    assert {i for row in MATRIX.rows for i in row.invariants} <= there
    assert {i for guarantee in MATRIX.guarantees for i in guarantee.invariants} == there


def test_every_row_has_a_test_or_a_reason() -> None:
    shown = {row for proof in PROOFS for row in proof.rows}
    assert [row.key for row in MATRIX.rows if row.key not in shown and not row.untested] == []


def test_a_row_that_has_a_test_does_not_call_itself_untested() -> None:
    shown = {row for proof in PROOFS for row in proof.rows}
    assert [row.key for row in MATRIX.rows if row.key in shown and row.untested] == []


def test_no_test_names_a_row_that_there_is_not() -> None:
    there = {row.key for row in MATRIX.rows}
    assert [(proof.file, proof.name) for proof in PROOFS if not proof.rows <= there] == []


def found(source: str) -> list[Proof]:
    return list(guarantees.proofs_in(textwrap.dedent(source), "tests/test_it.py"))


def test_marks_are_found_on_a_test_its_parameters_its_class_and_its_file() -> None:
    source = """
        pytestmark = [pytest.mark.long, pytest.mark.proves("I1")]

        @pytest.mark.proves("F1")
        @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.proves("F2")), 2])
        async def test_a_thing(x): ...

        class TestMachine(Machine.TestCase):
            pytestmark = pytest.mark.proves("F3")

        @pytest.mark.proves("F4")
        class TestOthers:
            def test_another(self): ...
    """
    assert [(proof.name, sorted(proof.rows), proof.long) for proof in found(source)] == [
        ("test_a_thing", ["F1", "F2", "I1"], True),
        ("TestMachine", ["F3", "I1"], True),
        ("test_another", ["F4", "I1"], True),
    ]


def test_a_test_without_marks_shows_nothing() -> None:
    assert found("@pytest.mark.long\ndef test_it(): ...") == []


def test_rows_that_are_not_in_quotes_are_refused() -> None:
    with pytest.raises(guarantees.MarkError, match=r"tests/test_it\.py:1: name the rows in quotes"):
        found("@pytest.mark.proves(*ROWS)\ndef test_it(): ...")


def test_the_page_names_a_test_below_each_row_and_tells_which_take_minutes() -> None:
    page = guarantees.written(
        MATRIX, [Proof("tests/faults/test_it.py", "test_it_holds", long=True, rows=frozenset({"F02"}))]
    )
    section = page.split("### F02\n")[1].split("###")[0]
    assert "- it holds ([test_it.py](../tests/faults/test_it.py)) *chaos*\n" in section
    assert "[I1](#i1), [I3](#i3)" in section
