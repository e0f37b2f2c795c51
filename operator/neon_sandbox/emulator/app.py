"""The application: Neon's paths through the gate, and the sandbox's own beside them."""

from __future__ import annotations

from starlette.routing import Route as StarletteRoute
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from neon_sandbox.emulator.gateway import Gateway
from neon_sandbox.emulator.routes import ROUTES
from neon_sandbox.emulator.routes.sandbox import Sandbox
from neon_sandbox.emulator.routing import Route
from neon_sandbox.emulator.world import World

BASE_PATH = "/api/v2"


class _Resource:
    """One path with its methods."""

    def __init__(self, gateway: Gateway, template: str, routes: dict[str, Route]) -> None:
        self._gateway = gateway
        self._template = template
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._gateway.serve(scope, receive, send, template=self._template, routes=self._routes)


def build(world: World, gateway: Gateway) -> ASGIApp:
    """The application for one world."""
    resources: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        resources.setdefault(route.path, {})[route.method] = route
    return Router(
        routes=[
            *(
                StarletteRoute(BASE_PATH + path, _Resource(gateway, path, routes))
                for path, routes in resources.items()
            ),
            *Sandbox(world).routes(),
        ],
        default=_Resource(gateway, "", {}),
        redirect_slashes=False,
    )
