"""Every route of the emulator answers as Neon's document says, with success and with each refusal."""

from __future__ import annotations

import pytest

from contract.examples import EXAMPLES, EXTRAS
from contract.referee import Referee
from contract.scene import Scene, open_scene
from neon_sandbox.emulator import Outage
from neon_sandbox.emulator.routes import ROUTES
from neon_sandbox.emulator.routing import ANSWERED_BY_ALL, Route


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", ROUTES, ids=named)
async def test_a_route_says_what_the_document_says_and_each_of_its_refusals_occurs(
    route: Route, referee: Referee
) -> None:
    key = (route.method, route.path)
    assert key in EXAMPLES, f"{named(route)} is new: give tests/contract/examples.py a request for it"
    async with open_scene(referee) as scene:
        await succeed(scene, route)
        await meet_what_all_routes_refuse(scene, route)
        await name_a_project_that_is_not_there(scene, route)
        await meet_the_lock(scene, route)
        for extra in EXTRAS.get(key, ()):
            await extra(scene, await scene.project())
            scene.emulator.knobs.plan = "scale"
            scene.emulator.knobs.projects_limit = None
        assert scene.seen[key] == route.success | route.refuses | ANSWERED_BY_ALL


async def succeed(scene: Scene, route: Route) -> None:
    request = await EXAMPLES[route.method, route.path](scene, await scene.project())
    response = await scene.ask(route.method, request.path, params=request.params, json=request.json)
    assert response.status_code in route.success, response.text


async def meet_what_all_routes_refuse(scene: Scene, route: Route) -> None:
    request = await EXAMPLES[route.method, route.path](scene, await scene.project())

    async def ask(**more: object) -> int:
        params = {**request.params, **({"nonsense": "1"} if "legal" in more else {})}
        response = await scene.ask(
            route.method,
            request.path,
            params=params,
            json=request.json,
            **more,  # type: ignore[arg-type]
        )
        body = response.json()
        assert set(body) == {"request_id", "code", "message"}
        assert response.headers["x-request-id"] == body["request_id"]
        return response.status_code

    assert await ask(key="napi_wrong") == 401
    assert await ask(legal=False) == 400
    scene.emulator.outage.begin(Outage(kind="503", requests=1))
    assert await ask() == 503
    scene.emulator.knobs.requests_per_minute = 1
    assert await ask() == 429
    scene.emulator.knobs.requests_per_minute = 0


async def name_a_project_that_is_not_there(scene: Scene, route: Route) -> None:
    if "{project_id}" not in route.path:
        return
    made = await scene.project()
    request = await EXAMPLES[route.method, route.path](scene, made)
    path = request.path.replace(made.project_id, "no-such-project-1")
    response = await scene.ask(route.method, path, params=request.params, json=request.json)
    assert response.status_code == 404


async def meet_the_lock(scene: Scene, route: Route) -> None:
    if 423 not in route.refuses:
        return
    made = await scene.project()
    request = await EXAMPLES[route.method, route.path](scene, made)
    await scene.lock(made)
    response = await scene.ask(route.method, request.path, params=request.params, json=request.json)
    assert response.status_code == 423
    assert "already has running conflicting operations" in response.json()["message"]


def test_every_example_belongs_to_a_route() -> None:
    assert set(EXAMPLES) == {(route.method, route.path) for route in ROUTES}


def test_every_route_is_in_the_document(referee: Referee) -> None:
    assert {(route.method, route.path) for route in ROUTES} <= referee.operations.keys()


def test_every_documented_status_is_one_that_the_route_knows(referee: Referee) -> None:
    for route in ROUTES:
        documented = referee.operations[route.method, route.path].responses.keys() - {"default"}
        known = route.success | route.refuses | ANSWERED_BY_ALL
        assert {int(status) for status in documented} <= known, named(route)
