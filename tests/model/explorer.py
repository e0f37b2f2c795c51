"""A breadth-first search of every state that a protocol can reach, and what must hold in each.

Safety is looked at in each state. Liveness is: from each state the goal can still be reached once the
faults stop. That is a question of the graph alone, so no fairness need be assumed.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

S = TypeVar("S", bound=Hashable)


class Edge(NamedTuple, Generic[S]):
    """One step of somebody."""

    label: str
    to: S
    fault: bool
    """Whether it is no part of a world in which all goes well: liveness does not count on it."""


@dataclass(frozen=True, slots=True)
class Protocol(Generic[S]):
    """What is explored."""

    start: S
    steps: Callable[[S], Iterable[Edge[S]]]
    unsafe: Callable[[S], str | None]
    """The safety property that a state violates."""
    goal: Callable[[S], bool]
    exhausted: Callable[[S], bool]
    """Whether a bound of the model, and not the protocol, may keep a state from the goal."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the search found."""

    broken: str | None
    """The property that is violated; None where all hold."""
    states: int
    """How many were visited: all of them where nothing is broken."""
    trace: tuple[str, ...] = ()
    """A shortest way into the violation."""

    @property
    def rule(self) -> str | None:
        """The short name of the violated property, as S4."""
        return self.broken and self.broken.split()[0]


def explore(protocol: Protocol[S]) -> Verdict:
    """All states, breadth first: the first violation found is a nearest one."""
    known = {protocol.start: 0}
    queue = [protocol.start]
    parents = array("l", [-1])
    sources, targets = array("l"), array("l")
    for here, state in enumerate(queue):
        if broken := protocol.unsafe(state):
            return Verdict(broken, len(queue), _trace(protocol, queue, parents, here))
        for _, to, fault in protocol.steps(state):
            there = known.get(to)
            if there is None:
                there = known[to] = len(queue)
                queue.append(to)
                parents.append(here)
            if not fault:
                sources.append(here)
                targets.append(there)
    reaching = _reaching(queue, protocol.goal, sources, targets)
    for here, state in enumerate(queue):
        if not reaching[here] and not protocol.exhausted(state):
            broken = "L1 the goal cannot be reached any more"
            return Verdict(broken, len(queue), _trace(protocol, queue, parents, here))
    return Verdict(None, len(queue))


def states(protocol: Protocol[S]) -> Iterator[S]:
    """All states that can be reached, without a look at any property."""
    known = {protocol.start}
    queue = [protocol.start]
    for state in queue:
        yield state
        for edge in protocol.steps(state):
            if edge.to not in known:
                known.add(edge.to)
                queue.append(edge.to)


def _reaching(
    queue: list[S], goal: Callable[[S], bool], sources: array[int], targets: array[int]
) -> bytearray:
    """From which states the goal can be reached: backwards from it, along the edges without faults."""
    first = array("l", [0]) * (len(queue) + 1)
    for target in targets:
        first[target + 1] += 1
    for here in range(len(queue)):
        first[here + 1] += first[here]
    before, place = array("l", [0]) * len(targets), first[:]
    for source, target in zip(sources, targets, strict=True):
        before[place[target]] = source
        place[target] += 1
    reaching = bytearray(goal(state) for state in queue)
    todo = [here for here, reached in enumerate(reaching) if reached]
    while todo:
        here = todo.pop()
        for source in before[first[here] : first[here + 1]]:
            if not reaching[source]:
                reaching[source] = True
                todo.append(source)
    return reaching


def _trace(protocol: Protocol[S], queue: list[S], parents: array[int], here: int) -> tuple[str, ...]:
    labels: list[str] = []
    while parents[here] >= 0:
        before = parents[here]
        labels.append(next(edge.label for edge in protocol.steps(queue[before]) if edge.to == queue[here]))
        here = before
    return tuple(reversed(labels))
