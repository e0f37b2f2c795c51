"""The answer to `neon-tenant-operator preview`: from the tenants that are known and one list of Neon's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError

from neon_tenants.api.database_tier import DatabaseTier
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.preview import Preview, TenantPreview, preview
from neon_tenants.neon.inventory import Listing
from neon_tenants.question import BadQuestionError, Question
from neon_tenants.roster import Roster


class Previews:
    """Says what a changed tier would do. Nothing is written anywhere."""

    def __init__(
        self, *, roster: Roster, projects: Callable[[], Awaitable[Listing]], requests_per_minute: float
    ) -> None:
        self._roster = roster
        self._projects = projects
        self._requests_per_minute = requests_per_minute

    async def read(self, question: Question) -> dict[str, Any]:
        """Answers `{"tier": <a DatabaseTier>}`.

        Raises:
            BadQuestionError: that is no DatabaseTier.
            NeonError: the list of projects could not be read.
        """
        tier = _tier(question.get("tier"))
        listing = await self._projects()
        found = preview(tier, self._roster.records_of(tier.name), listing.by_id)
        known = self._roster.tier(tier.name)
        return _answer(tier.name, known.generation if known else None, found, self._requests_per_minute)


def _tier(manifest: Any) -> Tier:
    try:
        parsed = DatabaseTier.model_validate(
            {key: value for key, value in manifest.items() if key in ("metadata", "spec")}
            if isinstance(manifest, dict)
            else manifest
        )
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise BadQuestionError(f"That is no DatabaseTier: {where or 'it'}: {problem['msg']}.") from None
    name = parsed.metadata.get("name")
    if not isinstance(name, str) or not name:
        raise BadQuestionError("The DatabaseTier has no metadata.name.")
    return Tier(name, 0, parsed.spec)


def _answer(name: str, generation: int | None, found: Preview, per_minute: float) -> dict[str, Any]:
    return {
        "tier": name,
        "generation": generation,
        "needsConfirmation": found.needs_confirmation,
        "unchanged": found.unchanged,
        "unknown": found.unknown,
        "requests": found.requests,
        "seconds": found.seconds(per_minute),
        "tenants": [_tenant(tenant) for tenant in found.tenants],
    }


def _tenant(found: TenantPreview) -> dict[str, Any]:
    return {
        "namespace": found.key.namespace,
        "name": found.key.name,
        "changes": [{"field": d.field, "old": d.found, "new": d.wanted} for d in found.differences],
        "overQuota": list(found.over),
        "shorterHistory": found.shorter_history,
        "refused": found.refusal,
    }
