"""The changes: what is mutated, and how.

The operators are mutmut's (its `mutation_operators`). It makes none for properties, class bodies and
constants, so the walk is our own. Two kinds of change are added, since a decision table is made of
conditions: each `if` is forced both ways, and each operand of an `and` or `or` is dropped.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import libcst as cst
from libcst.metadata import (
    CodeRange,
    MetadataWrapper,
    ParentNodeProvider,
    PositionProvider,
    WhitespaceInclusivePositionProvider,
)
from mutmut.mutation.mutators import mutation_operators

SOURCES: Final = Path(__file__).parents[2] / "operator"

CORE: Final = tuple(
    f"neon_tenants.core.{path.stem}"
    for path in sorted((SOURCES / "neon_tenants" / "core").glob("*.py"))
    if path.stem != "__init__"
)
AROUND: Final = (
    "neon_tenants.kube.errors",
    "neon_tenants.neon.errors",
    "neon_tenants.neon.budget",
    "neon_tenants.neon.limits",
    "neon_tenants.queue",
)
"""What classifies errors, and the performing parts that unit tests reach without a server."""
GATED: Final = (*CORE, *(module for module in AROUND if module != "neon_tenants.queue"))
"""What `make mutants` judges: all that decides, and what stands around it. A change of the queue mostly makes
its tests wait for what never happens, by the clock, so it is tried by name alone."""

Operator = tuple[type, Callable[[Any], Iterable[cst.CSTNode]]]

# mutmut leaves these out as well: they fail at once, or mean nothing.
_CALLS_LEFT_ALONE: Final = frozenset({"len", "isinstance", "cast", "TypeVar"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module."""

    module: str
    place: str
    """The function, method or property; empty for what runs when the module is imported."""
    text: str
    """What people, and the list of survivors, call it: place, line, change."""
    first: int
    last: int
    """Lines of the statement that was changed."""
    original: cst.CSTNode = field(repr=False, compare=False)
    mutated: cst.CSTNode = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """Unique among all."""
        return f"{self.module.removeprefix('neon_tenants.')} {self.text}"

    def source(self) -> str:
        """The whole module, changed."""
        tree = parsed(self.module)
        if isinstance(self.original, cst.BaseCompoundStatement):  # its text alone lacks the indentation
            changed = tree.module.deep_replace(self.original, self.mutated)
            assert isinstance(changed, cst.Module)
            return changed.code
        span = tree.resolve(WhitespaceInclusivePositionProvider)[self.original]
        lines = path_of(self.module).read_text().splitlines(keepends=True)
        start = sum(map(len, lines[: span.start.line - 1])) + span.start.column
        end = sum(map(len, lines[: span.end.line - 1])) + span.end.column
        text = "".join(lines)
        # Apart from indentation, which means nothing inside of a statement.
        assert text[start:end].split() == tree.module.code_for_node(self.original).split()
        return text[:start] + tree.module.code_for_node(self.mutated) + text[end:]


def path_of(module: str) -> Path:
    """The file of a module."""
    return SOURCES / (module.replace(".", "/") + ".py")


@cache
def parsed(module: str) -> MetadataWrapper:
    """A module's tree; the same nodes for all who ask. Places are found here, once, and not in each child."""
    tree = MetadataWrapper(cst.parse_module(path_of(module).read_text()))
    tree.resolve(WhitespaceInclusivePositionProvider)
    return tree


def mutants(module: str) -> list[Mutant]:
    """All changes of a module, in the order of its lines."""
    walk = _Walk(module)
    parsed(module).visit(walk)
    return walk.found


def _conditions(test: cst.BaseExpression) -> Iterator[cst.BooleanOperation]:
    """Forces a condition, which is evaluated all the same: it may assign."""
    kept = test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield cst.BooleanOperation(kept, cst.And(), cst.Name("False"))
    yield cst.BooleanOperation(kept, cst.Or(), cst.Name("True"))


def _operands(node: cst.BooleanOperation) -> Iterator[cst.CSTNode]:
    for operand in (node.left, node.right):
        yield operand.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


OPERATORS: Final[Sequence[Operator]] = (
    *mutation_operators,
    (cst.BooleanOperation, _operands),
)
# Where a module is imported, only values are changed: what breaks the import proves nothing.
_OF_VALUES: Final = (cst.BaseNumber, cst.BaseString, cst.Name, cst.BinaryOperation, cst.UnaryOperation)


class _Walk(cst.CSTVisitor):
    """Finds the changes, from the outside in."""

    METADATA_DEPENDENCIES = (PositionProvider, ParentNodeProvider)

    def __init__(self, module: str) -> None:
        super().__init__()
        self.module = module
        self.found: list[Mutant] = []
        self._lines = path_of(module).read_text().splitlines()
        self._seen: Counter[str] = Counter()

    def on_visit(self, node: cst.CSTNode) -> bool:
        if self._left_alone(node):
            return False
        place, statement = self._where(node)
        if statement is None:
            return True
        for kind, operator in OPERATORS:
            if isinstance(node, kind) and (place or isinstance(node, _OF_VALUES)):
                changes = list(operator(node))
                # Of a string's three changes (more letters, other cases), the first tells as much as all.
                for mutated in changes[:1] if isinstance(node, cst.BaseString) else changes:
                    self._note(place, statement, node, mutated, _change(node, mutated))
        if isinstance(node, cst.If) and place:
            for forced in _conditions(node.test):
                self._note(place, statement, node.test, forced, ("condition", _code(forced.right)))
        return True

    def _left_alone(self, node: cst.CSTNode) -> bool:
        match node:
            case cst.ClassDef(bases=[cst.Arg(cst.Name("Enum"))]):
                return True  # the value of a member of a plain Enum is a label: nothing reads it
            case cst.Annotation() | cst.Decorator() | cst.Assert() | cst.Import() | cst.ImportFrom():
                return True
            case cst.Call(func=cst.Name(value)) if value in _CALLS_LEFT_ALONE:
                return True
            case cst.SimpleString():
                return self._is_for_people(node)
            case cst.FormattedString():
                # Words with what is filled in: a key or a name keeps its parts without a space.
                return any(isinstance(p, cst.FormattedStringText) and " " in p.value for p in node.parts)
            case cst.ConcatenatedString():
                return True
        return False

    def _is_for_people(self, node: cst.SimpleString) -> bool:
        """A docstring, or a sentence: its wording is no behaviour."""
        parent = self.get_metadata(ParentNodeProvider, node)
        return isinstance(parent, cst.Expr) or " " in node.value

    def _where(self, node: cst.CSTNode) -> tuple[str, cst.CSTNode | None]:
        """The outermost function around a node, with its class; and the innermost statement."""
        statement: cst.CSTNode | None = None
        names: list[str] = []
        place = ""
        current: cst.CSTNode | None = node
        inside: cst.CSTNode = node
        while current is not None and not isinstance(current, cst.Module):
            if statement is None and isinstance(current, cst.SimpleStatementLine | cst.BaseCompoundStatement):
                statement = current
            if isinstance(current, cst.ClassDef):
                names.insert(0, current.name.value)
            if isinstance(current, cst.FunctionDef):
                # Defaults and decorators run where the function is defined.
                names = [current.name.value]
                place = current.name.value if inside is current.body else ""
            inside = current
            current = self.get_metadata(ParentNodeProvider, current)
        return (".".join(names) if place else ""), statement

    def _range(self, node: cst.CSTNode) -> CodeRange:
        found = self.get_metadata(PositionProvider, node)
        assert isinstance(found, CodeRange)
        return found

    def _note(
        self,
        place: str,
        statement: cst.CSTNode,
        node: cst.CSTNode,
        mutated: cst.CSTNode,
        change: tuple[str, str],
    ) -> None:
        before, after = change
        line = self._range(node).start.line
        text = f"{place or '(import)'}: {self._lines[line - 1].strip()} | {before} -> {after}"
        self._seen[text] += 1
        if self._seen[text] > 1:
            text = f"{text} ({self._seen[text]})"
        whole = self._range(statement)
        self.found.append(Mutant(self.module, place, text, whole.start.line, whole.end.line, node, mutated))


def _change(node: cst.CSTNode, mutated: cst.CSTNode) -> tuple[str, str]:
    """What was changed, in short: the parts that differ."""
    if isinstance(node, cst.Match) and isinstance(mutated, cst.Match):
        gone = next(case for case in node.cases if case not in mutated.cases)
        return f"case {_code(gone.pattern)}", "gone"
    before, after = re.findall(r"\w+|\s+|.", _code(node)), re.findall(r"\w+|\s+|.", _code(mutated))
    while before and after and len(before) + len(after) > 2 and before[0] == after[0]:
        before, after = before[1:], after[1:]
    while before and after and len(before) + len(after) > 2 and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    return _short("".join(before)), _short("".join(after))


def _short(text: str) -> str:
    text = text.strip()
    return f"{text[:60]}..." if len(text) > 60 else text or "nothing"


def _code(node: cst.CSTNode) -> str:
    return " ".join(cst.Module(body=()).code_for_node(node).split())
