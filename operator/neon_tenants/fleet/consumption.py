"""The report for billing: `/v1/usage`, which `neon-tenant-operator usage` reads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from neon_tenants.api.conditions import Reason
from neon_tenants.core.consumption import METRICS, V1, V2, History, Row, notes, report
from neon_tenants.core.failure import Done, Failure
from neon_tenants.core.timestamp import stamp
from neon_tenants.neon.consumption import Consumption, Window
from neon_tenants.neon.errors import NeonError
from neon_tenants.neon.inventory import Inventory
from neon_tenants.question import BadQuestionError, Question
from neon_tenants.roster import Roster

logger = logging.getLogger(__name__)

GRANULARITIES: Final = ("hourly", "daily", "monthly")
COLUMNS: Final = (
    "start",
    "end",
    "namespace",
    "tenant",
    "tier",
    "organization",
    "owner",
    "project_id",
    "project_name",
    *METRICS,
)


class Report:
    """Answers with what each tenant used. Nothing is kept: Neon's numbers may still change for an hour."""

    def __init__(
        self,
        *,
        consumption: Consumption,
        alive: Inventory,
        roster: Roster,
        cluster: str,
        org_id: str | None,
        complete: Callable[[], bool],
        epoch: Callable[[], float],
    ) -> None:
        self._consumption = consumption
        self._alive = alive
        self._roster = roster
        self._cluster = cluster
        self._org_id = org_id
        self._complete = complete
        self._epoch = epoch
        self._told = False

    async def answer(self, question: Question) -> Any:
        """The whole report.

        Raises:
            BadQuestionError: the time asked for is none.
            NeonError: a part could not be had, so there is no report.
        """
        if not self._complete():
            raise BadQuestionError("The operator has not read all tenants yet. Ask again in a moment.")
        window = _window(question, datetime.fromtimestamp(self._epoch(), UTC))
        listing = await self._alive.whole()
        projects = listing.by_id.values()
        organization = self._org_id or next((p.organization for p in projects if p.organization), None)
        rows: list[Row] = []
        told: list[str] = []
        if organization is not None:
            history = await self._history(organization, window)
            found = report(
                history,
                organization=organization,
                cluster=self._cluster,
                records=list(self._roster.records()),
                projects=projects,
            )
            rows = list(found)
            told = list(notes(history, rows))
        return {
            "since": window.since,
            "until": window.until,
            "granularity": window.granularity,
            "columns": COLUMNS,
            "rows": [_shown(row) for row in rows],
            "notes": told,
        }

    async def _history(self, organization: str, window: Window) -> History:
        """Version 2, or where the plan has only the first, that."""
        try:
            return await self._consumption.history(V2, organization, window)
        except NeonError as error:
            if error.status != 403:
                raise
        if not self._told:
            self._told = True
            logger.warning("Neon's plan has no consumption history v2; v1 is asked for.")
        try:
            return await self._consumption.history(V1, organization, window)
        except NeonError as error:
            if error.status != 403:
                raise
            message = (
                "The plan of the Neon organization has no consumption history, or the key may not read it."
            )
            raise NeonError(Failure(Reason.PLAN_LIMIT_REACHED, message, Done.NO), status=403) from None


def _shown(row: Row) -> dict[str, Any]:
    return {
        "start": row.start,
        "end": row.end,
        "namespace": row.namespace,
        "tenant": row.tenant,
        "tier": row.tier,
        "organization": row.organization,
        "owner": row.owner.value,
        "project_id": row.project_id,
        "project_name": row.project_name,
        **{metric: row.amounts.get(metric) for metric in METRICS},
    }


def _window(question: Question, now: datetime) -> Window:
    granularity = str(question.get("granularity", "monthly"))
    if granularity not in GRANULARITIES:
        raise BadQuestionError(f"The granularity must be one of {', '.join(GRANULARITIES)}.")
    since, until = _usual(granularity, now)
    if "since" in question:
        since = _time("since", question["since"])
    if "until" in question:
        until = _time("until", question["until"])
    if since >= until:
        raise BadQuestionError(f"--since ({stamp(since)}) must be before --until ({stamp(until)}).")
    return Window(stamp(since), stamp(until), granularity)


def _usual(granularity: str, now: datetime) -> tuple[datetime, datetime]:
    """The last 24 whole hours, the last 30 whole days, or the last whole month."""
    if granularity == "hourly":
        hour = now.replace(minute=0, second=0, microsecond=0)
        return hour - timedelta(hours=24), hour
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if granularity == "daily":
        return today - timedelta(days=30), today
    month = today.replace(day=1)
    return (month - timedelta(days=1)).replace(day=1), month


def _time(name: str, text: Any) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise BadQuestionError(f"--{name} must be a date or a time such as 2026-11-01.") from None
    return found.replace(tzinfo=found.tzinfo or UTC)
