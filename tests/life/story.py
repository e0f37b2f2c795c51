"""A story: what is done to two tenants, in order, and which faults happen meanwhile. Plain data, and text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

NAMES: Final = ("one", "two")

CREATES: Final = tuple(
    f"create {tier} {policy}{extra}"
    for tier in ("free", "pro")
    for policy in ("Delete", "Retain")
    for extra in ("", " protected", " shared")
)
"""`shared`: with a Secret's name that the other tenant may want, too."""
USUAL: Final = (
    "tier free",
    "tier pro",
    "override",
    "no override",
    "suspend",
    "resume",
    "delete",
    "settle",
)
EDITS: Final = ("protect", "unprotect", "policy Delete", "policy Retain", "pause", "unpause", "start empty")
HARM: Final = (
    "edit secret",
    "delete secret",
    "foreign secret",
    "wipe status",
    "wipe annotations",
    "remove finalizer",
    "force deletion",
    "restore",
    "console rename",
    "console delete",
    "console recover",
    "console quota",
    "console password",
)
CRASH: Final = "crash"
UPDATE: Final = "update"
"""The operator is asked to end, and another begins."""


@dataclass(frozen=True)
class Act:
    """One thing that somebody does to a tenant; or the operator ends."""

    what: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.what}".strip()


@dataclass(frozen=True)
class Story:
    """A story. Its text, given to `--replay`, plays it again."""

    faults: int
    """The seed of the faults on the wires; 0: there are none."""
    acts: tuple[Act, ...]

    def __str__(self) -> str:
        return " | ".join((f"faults {self.faults}", *map(str, self.acts)))

    @classmethod
    def parse(cls, text: str) -> Story:
        """The story of a text. Raises ValueError."""
        first, *rest = (part.strip() for part in text.split("|"))
        return cls(int(first.removeprefix("faults ")), tuple(_act(part) for part in rest))

    def shorter(self) -> list[Story]:
        """The story without its faults, without each half, without each act: the shortest first."""
        acts, middle = self.acts, len(self.acts) // 2
        halves = [acts[:middle], acts[middle:]] if middle else []
        found = [Story(self.faults, half) for half in halves]
        if self.faults:
            found.append(Story(0, acts))
        return found + [Story(self.faults, acts[:n] + acts[n + 1 :]) for n in range(len(acts))]


def _act(text: str) -> Act:
    if text in (CRASH, UPDATE):
        return Act(text)
    name, _, what = text.partition(" ")
    if name not in NAMES or what not in (*CREATES, *USUAL, *EDITS, *HARM):
        raise ValueError(f"{text!r} is no act")
    return Act(what, name)


def stories(longest: int) -> st.SearchStrategy[Story]:
    """Stories that begin with a tenant, since nothing can be done to none.

    After half of the acts the tenant gets time to settle: else nothing would ever be ready and be lost.
    """
    create = [Act(what, name) for name in NAMES for what in CREATES]
    usual = [Act(what, name) for what in (*USUAL, *USUAL, *EDITS) for name in NAMES]
    harm = [Act(what, name) for what in (*HARM, *HARM) for name in NAMES]
    ends = [Act(what, name) for what in ("delete", "force deletion") for name in NAMES]
    phrases = st.builds(
        lambda act, settles: (act, Act("settle", act.name)) if settles and act.name else (act,),
        st.sampled_from([*create, *usual, *harm, *ends * 6, *[Act(CRASH), Act(UPDATE)] * 4]),
        st.booleans(),
    )
    return st.builds(
        lambda faults, first, rest: Story(
            faults, (first, Act("settle", first.name), *(act for phrase in rest for act in phrase))
        ),
        st.one_of(st.just(0), st.integers(1, 9999)),
        st.sampled_from(create),
        st.lists(phrases, min_size=longest - 4, max_size=longest - 1),
    )
