"""The page of guarantees, docs/guarantees.md: what is promised, and which test shows it: `make pages`.

The rows stand in `guarantees.yaml`; tests name those that they show: `@pytest.mark.proves("F33", "I4")`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from generators import markdown

ROOT: Final = Path(__file__).parents[1]
ROWS: Final = Path(__file__).with_name("guarantees.yaml")

HEAD: Final = """# Guarantees

<!-- Generated from generators/guarantees.yaml and the marks of the tests by `make pages`. Do not edit. -->

> {statement}

Each guarantee rests on invariants, and each invariant is held against faults and attacks. Below each of them
stand the tests that show it, on a real API server and Neon's emulator. What is marked *chaos* takes minutes
and runs by `make chaos`; the rest runs by `make test`.
"""


class MarkError(Exception):
    """A mark of a test cannot be read; the message says where."""


@dataclass(frozen=True)
class Row:
    """An invariant, a fault or a threat."""

    key: str
    says: str
    invariants: tuple[str, ...] = ()
    untested: str = ""
    """Why no test can show it."""
    rest: str = ""
    """What its tests leave out."""


@dataclass(frozen=True)
class Guarantee:
    """What we promise to users."""

    key: str
    says: str
    invariants: tuple[str, ...]


@dataclass(frozen=True)
class Matrix:
    """All that is promised."""

    statement: str
    guarantees: tuple[Guarantee, ...]
    invariants: tuple[Row, ...]
    faults: tuple[Row, ...]
    threats: tuple[Row, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """All that a test may name."""
        return self.invariants + self.faults + self.threats

    def serving(self, invariant: str) -> list[Row]:
        """The faults and threats against which an invariant is held."""
        return [row for row in self.faults + self.threats if invariant in row.invariants]


@dataclass(frozen=True, order=True)
class Proof:
    """A test, and the rows that it names."""

    file: str
    """Its path in the repository."""
    name: str
    long: bool = False
    """Runs by `make chaos` alone."""
    rows: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def sentence(self) -> str:
        """The name as people read it."""
        return self.name.removeprefix("test_").replace("_", " ")


def matrix() -> Matrix:
    """The rows of guarantees.yaml."""
    read = yaml.safe_load(ROWS.read_text())
    return Matrix(
        statement=read["statement"],
        guarantees=tuple(
            Guarantee(key, row["says"], tuple(row["invariants"])) for key, row in read["guarantees"].items()
        ),
        invariants=_rows(read["invariants"]),
        faults=_rows(read["faults"]),
        threats=_rows(read["threats"]),
    )


def _rows(read: Mapping[str, Mapping[str, Any]]) -> tuple[Row, ...]:
    return tuple(
        Row(key, **{**values, "invariants": tuple(values.get("invariants", ()))})
        for key, values in read.items()
    )


def proofs(tests: Path = ROOT / "tests") -> list[Proof]:
    """All tests that name rows, by file and in the order of their names.

    Raises:
        MarkError: a mark is not made of words in quotes.
    """
    return sorted(
        proof
        for path in tests.rglob("test_*.py")
        for proof in proofs_in(path.read_text(), str(path.relative_to(tests.parent)))
    )


def proofs_in(source: str, file: str) -> Iterator[Proof]:
    """The tests of one file that name rows, by their decorators and the file's `pytestmark`."""
    tree = ast.parse(source)
    common = [mark for statement in tree.body for mark in _marks_of_assignment(statement)]
    for name, marks in _tests(tree.body):
        every = [*common, *marks]
        rows = frozenset(row for mark in every for row in _named(mark, file))
        if rows:
            yield Proof(file, name, any(_is_mark(mark, "long") for mark in every), rows)


def _tests(body: Iterable[ast.stmt]) -> Iterator[tuple[str, list[ast.expr]]]:
    """Each test with all marks that stand on it, on its parameters, or on its class."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            if statement.name.startswith("test_"):
                yield statement.name, _marks_on(statement.decorator_list)
        elif isinstance(statement, ast.ClassDef) and statement.name.startswith("Test"):
            marks = _marks_on(statement.decorator_list)
            marks += [mark for each in statement.body for mark in _marks_of_assignment(each)]
            methods = list(_tests(statement.body))
            # A machine of hypothesis has no test of its own: its class is the test.
            for name, own in methods or [(statement.name, [])]:
                yield name, marks + own


def _marks_on(decorators: Iterable[ast.expr]) -> list[ast.expr]:
    """The marks, with those of parameters: `pytest.param(..., marks=...)`."""
    marks: list[ast.expr] = []
    for decorator in decorators:
        marks.append(decorator)
        for node in ast.walk(decorator):
            if isinstance(node, ast.Call) and _dotted(node.func) == "pytest.param":
                marks += [m for word in node.keywords if word.arg == "marks" for m in _listed(word.value)]
    return marks


def _marks_of_assignment(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign) and any(_dotted(t) == "pytestmark" for t in statement.targets):
        return _listed(statement.value)
    return []


def _listed(value: ast.expr) -> list[ast.expr]:
    return list(value.elts) if isinstance(value, ast.List | ast.Tuple) else [value]


def _named(mark: ast.expr, file: str) -> Iterator[str]:
    if not isinstance(mark, ast.Call) or not _is_mark(mark, "proves"):
        return
    for word in mark.args:
        if not isinstance(word, ast.Constant) or not isinstance(word.value, str):
            raise MarkError(f"{file}:{mark.lineno}: name the rows in quotes")
        yield word.value


def _is_mark(mark: ast.expr, name: str) -> bool:
    return _dotted(mark.func if isinstance(mark, ast.Call) else mark) == f"pytest.mark.{name}"


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def page() -> str:
    """The text of the page."""
    return written(matrix(), proofs())


def written(rows: Matrix, found: list[Proof]) -> str:
    """The page of these rows and tests."""
    lines = [HEAD.format(statement=rows.statement)]
    lines.append(
        markdown.table(
            ("", "guarantee", "invariants"),
            ((g.key, g.says, _links(g.invariants)) for g in rows.guarantees),
        )
    )
    lines.append("\n## Invariants\n")
    for row in rows.invariants:
        against = _links(each.key for each in rows.serving(row.key))
        lines.append(_section(row, f"Held against {against}.", found))
    for title, group in (("Faults", rows.faults), ("Attacks", rows.threats)):
        lines.append(f"\n## {title}\n")
        lines += [_section(row, f"Holds {_links(row.invariants)}.", found) for row in group]
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(row: Row, links: str, found: list[Proof]) -> str:
    lines = [f"### {row.key}", "", f"{row.says} {links}" if "[" in links else row.says]
    showing = [proof for proof in found if row.key in proof.rows]
    if showing:
        lines += ["", *(_item(proof) for proof in showing)]
    if row.untested:
        lines += ["", f"Not tested: {row.untested}"]
    if row.rest:
        lines += ["", f"Not shown: {row.rest}"]
    return "\n".join([*lines, ""])


def _item(proof: Proof) -> str:
    chaos = " *chaos*" if proof.long else ""
    return f"- {proof.sentence} ([{Path(proof.file).name}](../{proof.file})){chaos}"


def _links(keys: Iterable[str]) -> str:
    return ", ".join(f"[{key}](#{key.lower()})" for key in keys)
