"""Seeds: each number stands for a workload, and for what becomes of the operator and its requests."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from fault import KILLS, Dice, Kills, Mode, Request, Script
from sweep.workloads import WORKLOADS

KILLED: Final = "seed"
MIXED: Final = "mixed"

FIRST: Final = 20
"""The first kill comes at one of so many requests: about as many as the longest workload makes."""
NEXT: Final = 16
"""A next kill comes so many requests later: a start makes about as many, so it dies in its recovery too."""
CHANCE: Final = 0.15
UNTIL: Final = 40
"""Of the first 40 requests about six are spoiled."""


@dataclass(frozen=True)
class Seed:
    """One seed of a family. Its text, given to `--replay`, plays it again."""

    family: str
    """`seed`: the operator is killed one to three times. `mixed`: faults of all modes at random requests."""
    number: int

    def __str__(self) -> str:
        return f"{self.family} {self.number}"

    @classmethod
    def parse(cls, text: str) -> Seed:
        """The seed of a text. Raises ValueError."""
        family, number = text.split()
        if family not in (KILLED, MIXED):
            raise ValueError(f"{family!r} is neither {KILLED!r} nor {MIXED!r}")
        return cls(family, int(number))

    @property
    def workload(self) -> str:
        """All workloads come in turn, so that ten seeds play ten."""
        return list(WORKLOADS)[self.number % len(WORKLOADS)]

    def script(self) -> Script:
        """The faults, for a traffic."""
        return self.kills() if self.family == KILLED else Mixed(self.number)

    def kills(self) -> Kills:
        """When the operator is killed."""
        dice = random.Random(str(self))
        number = dice.randint(1, FIRST)
        at = {number: dice.choice(KILLS)}
        for _ in range(dice.choice((0, 1, 1, 2))):
            number += dice.randint(1, NEXT)
            at[number] = dice.choice(KILLS)
        return Kills(at)


class Mixed:
    """Faults of all modes, at random requests."""

    def __init__(self, number: int, chance: float = CHANCE, until: int = UNTIL) -> None:
        self._dice = Dice(number, chance, tuple(Mode), until)

    def __call__(self, request: Request) -> Mode | None:
        """The mode, where the dice say so."""
        mode = self._dice(request)
        if mode is Mode.HANGS and request.wire == "kube":
            # The operator waits 30 s for the API server, and 70 s for a watch. The sweep waits for the
            # first at each write; here it would be waited for time and again.
            return Mode.NEVER_ARRIVES
        if mode in (Mode.CONFLICT, Mode.GONE) and request.wire == "neon" and not request.is_write:
            # Neon never says so to a read; an administrator's operation would rightly end with it.
            return Mode.UNAVAILABLE
        return mode
