"""What this process is at the moment: it gets ready, stands by, or works; and how it shows that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from neon_tenants import serve
from neon_tenants.assembly import Operator
from neon_tenants.core.health import Standby, not_alive, not_ready, not_standing_by
from neon_tenants.fleet.gauges import gauge
from neon_tenants.fleet.signs import signs_of
from neon_tenants.metrics import build_info
from neon_tenants.question import Question, StandbyError
from neon_tenants.shards import Shards


class Replica(Collector):
    """One of perhaps several processes of an operator."""

    def __init__(self, shards: Shards | None) -> None:
        """`shards` are those in which it takes part; None where it works on all in any case."""
        self._shards = shards
        self.operator: Operator | None = None
        """The parts that work; None while it stands by."""
        self.installed = False
        """Whether the API server served our resources."""

    def ready(self) -> serve.Health:
        """For /readyz: one that stands by is ready, too, or no rolling update could go on."""
        if self.operator is not None:
            trouble = not_ready(signs_of(self.operator.pulse, self.operator.queue))
            return serve.Health(trouble is None, trouble or "ok")
        trouble = not_standing_by(
            Standby(
                installed=self.installed,
                looked=self._shards is not None and self._shards.looked,
                trouble=None if self._shards is None else self._shards.trouble,
            )
        )
        return serve.Health(trouble is None, trouble or f"ok: stands by; leader: {self._leader or 'none'}")

    def alive(self) -> serve.Health:
        """For /healthz."""
        trouble = self.operator and not_alive(signs_of(self.operator.pulse, self.operator.queue))
        return serve.Health(not trouble, trouble or "ok")

    def reads(self) -> dict[str, serve.Read]:
        """Answers to the CLI's questions, of whoever works."""

        def asking(read: Callable[[Operator], serve.Read]) -> serve.Read:
            async def answer(question: Question) -> Any:
                if self.operator is None or not self.operator.scope().conducts:
                    raise StandbyError(self._leader)
                return await read(self.operator)(question)

            return answer

        return {
            "orphans": asking(lambda operator: operator.orphans.read),
            "preview": asking(lambda operator: operator.previews.read),
            "status": asking(lambda operator: operator.overview.answer),
            "usage": asking(lambda operator: operator.report.answer),
        }

    @property
    def _leader(self) -> str:
        return "" if self._shards is None else self._shards.first.leader

    def collect(self) -> Iterator[Metric]:
        """What every replica shows, at each scrape."""
        yield build_info()
        yield gauge(
            "ready", "1 while the operator is of use or stands by, as /readyz says.", {(): self.ready().well}
        )
        yield gauge(
            "leader",
            "1 for the replica that works, or conducts those that share the fleet; 0 for the others.",
            {(): self.operator is not None and self.operator.scope().conducts},
        )
        yield gauge(
            "shards",
            "Parts of the fleet that the replica works on; 1 for all of it, where it is not split.",
            {(): 0 if self.operator is None else len(self.operator.scope().held)},
        )
