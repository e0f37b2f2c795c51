"""Neon's consumption history: complete, or an error. A page that is missing is never a smaller number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import Field, NonNegativeInt

from neon_tenants.core.consumption import V1, V2, History, Timeframe, Version, merged
from neon_tenants.core.failure import Done
from neon_tenants.neon.errors import unreachable
from neon_tenants.neon.http import Http, Request
from neon_tenants.neon.models import Wire, WirePagination

PAGE: Final = 100
"""The most projects on a page (docs/neon.md, Consumption history)."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which time is asked for, in RFC 3339, and cut into what."""

    since: str
    until: str
    granularity: str
    """hourly, daily or monthly."""


class WireMetric(Wire):
    """ConsumptionMetricValue."""

    metric_name: str
    value: NonNegativeInt


class WireFrame(Wire):
    """ConsumptionHistoryPerTimeframe: its first version has metrics as fields, its second as a list."""

    timeframe_start: str
    timeframe_end: str
    metrics: tuple[WireMetric, ...] = ()
    active_time_seconds: NonNegativeInt | None = None
    compute_time_seconds: NonNegativeInt | None = None
    written_data_bytes: NonNegativeInt | None = None
    data_storage_bytes_hour: NonNegativeInt | None = None

    def core(self) -> Timeframe:
        """As we report it."""
        fields = self.model_dump(exclude={"timeframe_start", "timeframe_end", "metrics"}, exclude_none=True)
        listed = {metric.metric_name: metric.value for metric in self.metrics}
        return Timeframe(self.timeframe_start, self.timeframe_end, {**fields, **listed})


class WirePeriod(Wire):
    """ConsumptionHistoryPerPeriod: a billing period."""

    consumption: tuple[WireFrame, ...]


class WireHistory(Wire):
    """ConsumptionHistoryPerProject."""

    project_id: str = Field(pattern=r"^[a-z0-9-]{1,60}$")
    periods: tuple[WirePeriod, ...]


class HistoryPage(Wire):
    """GET /consumption_history/projects and /consumption_history/v2/projects."""

    projects: tuple[WireHistory, ...]
    pagination: WirePagination = WirePagination()


_ROUTES: Final = {V2.name: "/consumption_history/v2/projects", V1.name: "/consumption_history/projects"}


class Consumption:
    """Reads histories. All methods raise NeonError, with the status 403 where the plan has none."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def history(self, version: Version, organization: str, window: Window) -> History:
        """The history of all projects of an organization; complete, or an error."""
        found: dict[str, tuple[Timeframe, ...]] = {}
        cursor, seen = "", set[str]()
        while True:
            page = await self._page(version, organization, window, cursor)
            for project in page.projects:
                frames = (frame.core() for period in project.periods for frame in period.consumption)
                found[project.project_id] = merged(frames)
            cursor = page.pagination.cursor
            # To the very end: a page that is not full may be one that Neon could not fill.
            if not cursor or not page.projects:
                return History(version, found)
            if cursor in seen:
                raise unreachable(
                    "Neon's consumption history repeats itself, and says nothing so. Ask again.", Done.NO
                )
            seen.add(cursor)

    async def _page(self, version: Version, organization: str, window: Window, cursor: str) -> HistoryPage:
        metrics = [metric for parts in version.metrics.values() for metric in parts]
        params = {
            "org_id": organization,
            "from": window.since,
            "to": window.until,
            "granularity": window.granularity,
            "limit": str(PAGE),
            "metrics": ",".join(metrics),
        }
        if cursor:
            params["cursor"] = cursor
        request = Request("read the consumption history", "GET", _ROUTES[version.name], params=params)
        return await self._http.call(request, HistoryPage)
