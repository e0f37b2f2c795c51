"""/regions, /users/me, /organizations/{org_id}, /auth."""

from __future__ import annotations

from neon_sandbox.emulator import errors, queries, views
from neon_sandbox.emulator.regions import DEFAULT_REGION, REGIONS
from neon_sandbox.emulator.routing import Answer, Call, Route
from neon_sandbox.emulator.state import ORGANIZATION_ID, USER_ID

_EMAIL = "sandbox@example.com"


async def list_regions(call: Call) -> Answer:
    """GET /regions."""
    if call.query(queries.Regions).org_id not in (None, ORGANIZATION_ID):
        raise errors.not_found("organization")
    regions = [
        {
            "region_id": region_id,
            "name": name,
            "default": region_id == DEFAULT_REGION,
            "geo_lat": latitude,
            "geo_long": longitude,
        }
        for region_id, (name, latitude, longitude) in REGIONS.items()
    ]
    return Answer(200, {"regions": regions})


async def get_user(call: Call) -> Answer:
    """GET /users/me: with an organization's key, too; what Neon does then is unknown."""
    knobs = call.world.knobs
    return Answer(
        200,
        {
            "active_seconds_limit": 0,
            "auth_accounts": [
                {"email": _EMAIL, "image": "", "login": "sandbox", "name": "Sandbox", "provider": "github"}
            ],
            "email": _EMAIL,
            "id": USER_ID,
            "image": "",
            "login": "sandbox",
            "name": "Sandbox",
            "last_name": "User",
            "projects_limit": knobs.effective_projects_limit,
            "branches_limit": knobs.limits.branches,
            "max_autoscaling_limit": knobs.limits.autoscaling_cu,
            "plan": knobs.plan,
        },
    )


async def list_organizations(call: Call) -> Answer:
    """GET /users/me/organizations."""
    return Answer(200, {"organizations": [views.organization(call.world)]})


async def get_organization(call: Call) -> Answer:
    """GET /organizations/{org_id}."""
    if call.path["org_id"] != ORGANIZATION_ID:
        raise errors.not_found("organization")
    return Answer(200, views.organization(call.world))


async def get_auth(call: Call) -> Answer:
    """GET /auth: the cheapest proof that a key is valid."""
    if call.world.knobs.key_scope == "personal":
        return Answer(200, {"account_id": USER_ID, "auth_method": "api_key_user"})
    return Answer(200, {"account_id": ORGANIZATION_ID, "auth_method": "api_key_org"})


ROUTES = (
    Route("GET", "/regions", list_regions, query=queries.Regions, refuses=frozenset({400, 404})),
    Route("GET", "/users/me", get_user, refuses=frozenset({400})),
    Route("GET", "/users/me/organizations", list_organizations, refuses=frozenset({400})),
    Route("GET", "/organizations/{org_id}", get_organization, refuses=frozenset({400, 404})),
    Route("GET", "/auth", get_auth, refuses=frozenset({400})),
)
