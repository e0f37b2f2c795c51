"""Every route of the API, by resource."""

from __future__ import annotations

from neon_sandbox.emulator.routes import (
    account,
    branches,
    consumption,
    databases,
    endpoints,
    operations,
    projects,
    roles,
)

ROUTES = (
    *projects.ROUTES,
    *operations.ROUTES,
    *endpoints.ROUTES,
    *branches.ROUTES,
    *roles.ROUTES,
    *databases.ROUTES,
    *consumption.ROUTES,
    *account.ROUTES,
)
