"""The conditions of a status that come after those of the one before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from neon_tenants.api.conditions import Condition, ConditionStatus, ConditionType


@dataclass(frozen=True, slots=True)
class Sequel:
    """What the conditions have in common: those before them by type, the generation, and this moment."""

    before: Mapping[str, Condition]
    generation: int
    wall_time: str

    @classmethod
    def to(cls, before: Iterable[Condition], *, generation: int, wall_time: str) -> Self:
        """The sequel to these conditions."""
        return cls({condition.type: condition for condition in before}, generation, wall_time)

    def tell(self, kind: ConditionType, value: bool, reason: str, message: str) -> Condition:
        """One condition. Its time is that of the last change of its status (metav1.Condition)."""
        status = ConditionStatus.TRUE if value else ConditionStatus.FALSE
        before = self.before.get(kind)
        unchanged = before is not None and before.status is status
        return Condition(
            type=kind.value,
            status=status,
            reason=reason,
            message=message,
            last_transition_time=before.last_transition_time if before and unchanged else self.wall_time,
            observed_generation=self.generation,
        )

    def story(
        self, reason: str, message: str, *, ready: bool, working: bool, stalled: bool
    ) -> list[Condition]:
        """Ready, and Reconciling and Stalled while they hold, all for one reason."""
        new = [self.tell(ConditionType.READY, ready, reason, message)]
        if working:
            new.append(self.tell(ConditionType.RECONCILING, True, reason, message))
        if stalled:
            new.append(self.tell(ConditionType.STALLED, True, reason, message))
        return new
