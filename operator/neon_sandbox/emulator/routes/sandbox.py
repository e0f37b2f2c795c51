"""/sandbox: the emulator's own controls, on no path that Neon has. No key: it listens on loopback only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from neon_sandbox.emulator import consumption, control
from neon_sandbox.emulator.errors import ApiError
from neon_sandbox.emulator.knobs import Knobs
from neon_sandbox.emulator.outage import Outage
from neon_sandbox.emulator.scripts import Script
from neon_sandbox.emulator.world import World

_Amount = Annotated[int, Field(ge=0)]
_OBJECT = TypeAdapter(dict[str, Any])


class _Usage(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    active_time_seconds: _Amount = 0
    compute_time_seconds: _Amount = 0
    written_data_bytes: _Amount = 0
    data_transfer_bytes: _Amount = 0
    logical_size_bytes: _Amount = 0


class _Hour(BaseModel):
    model_config = ConfigDict(extra="forbid")

    start: AwareDatetime
    metrics: dict[str, _Amount]


class _Ledger(BaseModel):
    model_config = ConfigDict(extra="forbid")

    hours: Annotated[list[_Hour], Field(max_length=10_000)]


class _Advance(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seconds: Annotated[float, Field(ge=0)]


class Sandbox:
    """The handlers, for one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """All routes under /sandbox."""
        return [
            _route("/sandbox/knobs", GET=self._get_knobs, PATCH=self._patch_knobs),
            _route("/sandbox/projects", GET=self._get_projects),
            _route("/sandbox/projects/{project_id}/usage", PUT=self._put_usage),
            _route("/sandbox/projects/{project_id}/consumption", PUT=self._put_consumption),
            _route("/sandbox/requests", GET=self._get_requests, DELETE=self._delete_requests),
            _route(
                "/sandbox/answers",
                GET=self._get_answers,
                POST=self._post_answer,
                DELETE=self._delete_answers,
            ),
            _route("/sandbox/clock", POST=self._advance),
        ]

    async def _get_knobs(self, _request: Request) -> Any:
        return self._knobs()

    async def _patch_knobs(self, request: Request) -> Any:
        """Changes the given knobs, all or none; `outage` begins one, or with null ends it."""
        given = _OBJECT.validate_json(await request.body())
        begins = "outage" in given
        wanted = given.pop("outage", None)
        outage = None if wanted is None else Outage.model_validate(wanted)
        checked = Knobs.model_validate({**self._world.knobs.model_dump(), **given})
        for name in given:
            setattr(self._world.knobs, name, getattr(checked, name))
        if begins and outage is not None:
            self._world.outage.begin(outage)
        elif begins:
            self._world.outage.end()
        if "operation_outcome" in given and checked.operation_outcome != "stuck":
            self._world.operations.release()
        return self._knobs()

    async def _get_projects(self, _request: Request) -> Any:
        return {"projects": control.dump(self._world)}

    async def _put_usage(self, request: Request) -> Any:
        """Sets the meters that are given."""
        usage = _Usage.model_validate_json(await request.body())
        project_id = request.path_params["project_id"]
        await control.set_usage(self._world, project_id, usage.model_dump(exclude_unset=True))
        return {"project": control.describe(self._world, self._world.store.project(project_id))}

    async def _put_consumption(self, request: Request) -> Any:
        """Writes hours of the ledger that the consumption history is made of."""
        ledger = _Ledger.model_validate_json(await request.body())
        project = self._world.store.project(request.path_params["project_id"])
        consumption.record(project, ((hour.start.timestamp(), hour.metrics) for hour in ledger.hours))
        return {"hours": len(project.ledger)}

    async def _get_requests(self, _request: Request) -> Any:
        journal = self._world.journal
        return {
            "counters": [
                {"method": method, "route": route, "status": status, "count": count}
                for (method, route, status), count in sorted(journal.counters.items())
            ],
            "requests": [asdict(entry) for entry in journal],
        }

    async def _delete_requests(self, _request: Request) -> Any:
        self._world.journal.clear()
        return {}

    async def _get_answers(self, _request: Request) -> Any:
        return {"answers": [script.model_dump(mode="json") for script in self._world.scripts.pending]}

    async def _post_answer(self, request: Request) -> Any:
        """Adds a scripted answer."""
        script = Script.model_validate_json(await request.body())
        self._world.scripts.add(script)
        return script.model_dump(mode="json")

    async def _delete_answers(self, _request: Request) -> Any:
        self._world.scripts.clear()
        return {}

    async def _advance(self, request: Request) -> Any:
        """Moves the emulator's clock forward."""
        self._world.clock.advance(_Advance.model_validate_json(await request.body()).seconds)
        return {"now": self._world.clock.now()}

    def _knobs(self) -> Any:
        current = self._world.outage.current
        return {
            **self._world.knobs.model_dump(mode="json"),
            "outage": None if current is None else current.model_dump(mode="json"),
        }


def _route(path: str, **handlers: Callable[[Request], Awaitable[Any]]) -> Route:
    async def endpoint(request: Request) -> Response:
        # A web page cannot send this type to another origin without being asked first, so none that
        # a developer visits can turn these knobs.
        needs_json = request.method in ("POST", "PUT", "PATCH")
        if needs_json and not request.headers.get("content-type", "").startswith("application/json"):
            return _json(415, {"message": "Send application/json."})
        try:
            return _json(200, await handlers[request.method](request))
        except ApiError as error:
            return _json(error.status, {"message": error.message})
        except ValidationError as error:
            return _json(400, {"message": str(error)})
        except ValueError as error:
            return _json(400, {"message": str(error)})

    return Route(path, endpoint, methods=list(handlers))


def _json(status: int, body: Any) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")
