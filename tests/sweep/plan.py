"""Which faults meet which writes: all pairs, or a sample in which every mode and every write occurs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fault import At, Mode


@dataclass(frozen=True)
class Case:
    """One fault at one write of a workload. Its text, given to `--replay`, plays it again."""

    workload: str
    kind: str
    occurrence: int
    mode: Mode

    def __str__(self) -> str:
        return " | ".join((self.workload, self.kind, str(self.occurrence), self.mode.value))

    @classmethod
    def parse(cls, text: str) -> Case:
        """The case of a text. Raises ValueError."""
        workload, kind, occurrence, mode = (part.strip() for part in text.split("|"))
        return cls(workload, kind, int(occurrence), Mode(mode))

    def script(self) -> At:
        """The fault, for a traffic."""
        return At(self.kind, self.occurrence, self.mode)


def every(workload: str, places: Iterable[tuple[str, int]]) -> list[Case]:
    """Each mode at each write."""
    return [Case(workload, kind, occurrence, mode) for kind, occurrence in places for mode in Mode]


def sampled(places: Mapping[str, Sequence[tuple[str, int]]]) -> dict[str, list[Case]]:
    """One mode at each write of each workload: the modes in turn, so that all of them occur."""
    modes = itertools.cycle(Mode)
    return {
        workload: [Case(workload, kind, occurrence, next(modes)) for kind, occurrence in writes]
        for workload, writes in places.items()
    }
