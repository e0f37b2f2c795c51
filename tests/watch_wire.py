"""The wire to the API server where a test spoils what the operator is told: the events of watches, and reads.

Writes and faults of requests are `wire.Wire`'s; this adds what that one passes on untouched.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import yaml
from aiohttp import web

from scene import Scene
from wire import HOP_BY_HOP, Traffic, Wire

Object = dict[str, Any]

NEWS: Final = frozenset({"ADDED", "MODIFIED", "DELETED"})
"""Types of events that tell of an object. The others (BOOKMARK, ERROR) are about the watch itself."""
VERSIONS_KEPT: Final = 64
"""Of each object."""


class Deed(Enum):
    """What becomes of an event."""

    PASS = "passed on"
    DROP = "dropped"
    REPEAT = "sent twice"
    HOLD = "held back until another one of its watch was sent"
    OLDER = "tells of the object as it was before"
    CUT = "cut in the middle, with its connection"
    EXPIRE = "410 Gone in its place"
    FAIL = "another error in its place"


@dataclass(frozen=True)
class Event:
    """An event on its way to the operator."""

    number: int
    """Its place among all events that tell of an object, from 1."""
    resource: str
    """tenantdatabases, databasetiers or fleetoperations."""
    type: str
    name: str


@dataclass(frozen=True)
class Read:
    """A GET of an object, or a list."""

    resource: str
    name: str | None
    """None for a list."""


EventScript = Callable[[Event], Deed]
ReadScript = Callable[[Read], int]
"""How many versions back the answer lies; where there were fewer, the oldest."""


def as_it_is(_event: Event) -> Deed:
    """Passes every event on."""
    return Deed.PASS


def tenants_only(deed: Deed) -> EventScript:
    """The same for all events about tenants."""
    return lambda event: deed if event.resource == "tenantdatabases" else Deed.PASS


def up_to_date(_read: Read) -> int:
    """Answers every read with what is."""
    return 0


@dataclass
class Of:
    """A deed for every event about a resource; the others pass."""

    resource: str
    deed: Deed

    def __call__(self, event: Event) -> Deed:
        """The deed."""
        return self.deed if event.resource == self.resource else Deed.PASS


@dataclass
class Nth:
    """Deeds for events about tenants by their number among them, from 1; the others pass."""

    deeds: dict[int, Deed]
    _seen: int = field(default=0, init=False)

    def __call__(self, event: Event) -> Deed:
        """The deed."""
        if event.resource != "tenantdatabases":
            return Deed.PASS
        self._seen += 1
        return self.deeds.get(self._seen, Deed.PASS)


@dataclass
class Dice:
    """Deeds and older reads at random, from one seed and the number of the event or read alone."""

    seed: int
    chance: float
    deeds: Sequence[Deed]
    _reads: int = field(default=0, init=False)

    def __call__(self, event: Event) -> Deed:
        """The deed for an event."""
        dice = random.Random(f"{self.seed}/event/{event.number}")
        return dice.choice(list(self.deeds)) if dice.random() < self.chance else Deed.PASS

    def reads(self, _read: Read) -> int:
        """How far back a read lies: up to three versions."""
        self._reads += 1
        dice = random.Random(f"{self.seed}/read/{self._reads}")
        return dice.randint(1, 3) if dice.random() < self.chance else 0


class WatchWire(Wire):
    """A wire to the API server with a script for events and one for reads."""

    events: EventScript = staticmethod(as_it_is)
    reads: ReadScript = staticmethod(up_to_date)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.told: list[tuple[Event, Deed]] = []
        """All events so far, and what became of them."""
        self.aged: list[Read] = []
        """Reads that were answered with something older."""
        self._history: dict[tuple[str, str], list[Object]] = {}
        """The versions of each object that were seen, oldest first."""

    def spoiled(self) -> int:
        """How many events and reads were not as they were."""
        return sum(deed is not Deed.PASS for _, deed in self.told) + len(self.aged)

    # --- requests ------------------------------------------------------------------------------

    async def _forward(
        self, request: web.Request, body: bytes, *, begun: Callable[[], Awaitable[bool]] | None = None
    ) -> web.StreamResponse:
        if begun is not None:  # the operator is killed at it: it hears no more
            return await super()._forward(request, body, begun=begun)
        if request.query.get("watch") in ("true", "1"):
            return await self._watch(request, body)
        answer = await self._read(request, body)
        if answer.status not in (200, 201) or not isinstance(answer.body, bytes):
            return answer
        try:
            content = json.loads(answer.body)
        except ValueError:
            return answer
        if not isinstance(content, dict):
            return answer
        resource, name = _asked_for(request.path)
        for item in content.get("items", [content]):
            self._remember(resource, item)
        back = self.reads(Read(resource, name)) if request.method == "GET" else 0
        if back:
            answer.body = json.dumps(self._aged(resource, name, content, back)).encode()
        return answer

    def _aged(self, resource: str, name: str | None, content: Object, back: int) -> Object:
        self.aged.append(Read(resource, name))
        if "items" in content:
            return {**content, "items": [self._older(resource, item, back) for item in content["items"]]}
        return self._older(resource, content, back)

    # --- versions ------------------------------------------------------------------------------

    def _remember(self, resource: str, item: Object) -> None:
        metadata = item.get("metadata", {})
        version = str(metadata.get("resourceVersion", ""))
        if "name" not in metadata or not version.isdigit():
            return
        known = self._history.setdefault((resource, metadata["name"]), [])
        if all(old["metadata"]["resourceVersion"] != version for old in known):
            known.append(item)
            known.sort(key=lambda old: int(old["metadata"]["resourceVersion"]))
            del known[:-VERSIONS_KEPT]

    def _older(self, resource: str, item: Object, back: int) -> Object:
        """The object so many versions before this one, also of an earlier life of its name."""
        metadata = item.get("metadata", {})
        known = self._history.get((resource, metadata.get("name", "")), [])
        version = int(metadata.get("resourceVersion") or 0)
        before = [old for old in known if int(old["metadata"]["resourceVersion"]) < version]
        if not before:
            return item
        # An item of a list names neither of these, an object does both.
        return {
            **before[max(len(before) - back, 0)],
            **{k: item[k] for k in ("kind", "apiVersion") if k in item},
        }

    # --- watches -------------------------------------------------------------------------------

    async def _watch(self, request: web.Request, body: bytes) -> web.StreamResponse:
        async with self._asked(request, body) as upstream:
            headers = {key: value for key, value in upstream.headers.items() if key.lower() not in HOP_BY_HOP}
            response = web.StreamResponse(status=upstream.status, headers=headers)
            await response.prepare(request)
            held: list[bytes] = []
            async for line in _lines(upstream.content.iter_any()):
                if not await self._send(request, response, line, held):
                    break
            else:
                await response.write_eof()
            return response

    async def _send(
        self, request: web.Request, response: web.StreamResponse, line: bytes, held: list[bytes]
    ) -> bool:
        """Sends what becomes of an event; false where its watch ends."""
        content = json.loads(line)
        if content["type"] not in NEWS:
            await response.write(line)
            return True
        event, deed = self._judged(request, content)
        match deed:
            case Deed.DROP:
                return True
            case Deed.HOLD:
                held.append(line)
                return True
            case Deed.CUT:
                await response.write(line[: len(line) // 2])
                _abort(request)
                return False
            case Deed.EXPIRE | Deed.FAIL:
                await response.write(_error(410 if deed is Deed.EXPIRE else 500))
                _abort(request)
                return False
            case Deed.OLDER:
                content["object"] = self._older(event.resource, content["object"], 1)
                line = json.dumps(content).encode() + b"\n"
            case Deed.REPEAT:
                await response.write(line)
        await response.write(line)
        for late in held:
            await response.write(late)
        held.clear()
        return True

    def _judged(self, request: web.Request, content: Object) -> tuple[Event, Deed]:
        resource, _ = _asked_for(request.path)
        self._remember(resource, content["object"])
        name = content["object"]["metadata"]["name"]
        event = Event(len(self.told) + 1, resource, content["type"], name)
        deed = self.events(event)
        self.told.append((event, deed))
        return event, deed


def _asked_for(path: str) -> tuple[str, str | None]:
    """The resource of a path, and the name of the object; None for a list."""
    parts = [part for part in path.split("/") if part]
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    return (parts[0] if parts else ""), (parts[1] if len(parts) > 1 else None)


def _error(code: int) -> bytes:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "a fault of the test"}
    reason = "Expired" if code == 410 else "InternalError"
    content = {"type": "ERROR", "object": {**status, "code": code, "reason": reason}}
    return json.dumps(content).encode() + b"\n"


def _abort(request: web.Request) -> None:
    """Closes the connection when what was written has left."""
    if request.transport is not None:
        request.transport.close()


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Whole lines. What stands behind the last one is half an event, which a client drops as well."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"


@asynccontextmanager
async def watched(scene: Scene) -> AsyncIterator[WatchWire]:
    """Puts this wire between the scene's operators and the API server; at the end they are stopped."""
    async with AsyncExitStack() as stack:
        to = WatchWire.to(scene.plane.url, name="kube", ca_file=scene.plane.ca_file, traffic=Traffic())
        wire = await stack.enter_async_context(to)
        config = yaml.safe_load(scene.kubeconfig.read_text())
        config["clusters"][0]["cluster"] = {"server": wire.url}
        scene.kubeconfig.write_text(yaml.safe_dump(config))
        yield wire
        await scene.stop_operators()
