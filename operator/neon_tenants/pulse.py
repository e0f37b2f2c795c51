"""Whether Kopf's watch lives, seen at its own HTTP session: Kopf tells nobody that a watch hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import aiohttp


class Pulse:
    """When each watch was last answered. A watch begins when its list is complete, and again and again."""

    def __init__(self, streams: frozenset[str], clock: Callable[[], float]) -> None:
        """`streams` are the paths that must be watched."""
        self._streams = streams
        self._clock = clock
        self._heard: dict[str, float] = {}
        self._tried = clock()
        self._resumed: dict[str, int] = {}
        self._news = asyncio.Event()
        self.beats = False
        """Whether Kopf runs."""
        self.deaf = asyncio.Event()
        """Set where a watch is told nothing of what happens, and must begin anew."""

    def begin(self) -> None:
        """Kopf begins, and knows nothing yet."""
        self._heard.clear()
        self._resumed.clear()
        self.deaf.clear()
        self._tried = self._clock()
        self.beats = True

    def end(self) -> None:
        """Kopf has ended."""
        self.beats = False

    async def resumed(self) -> dict[str, int]:
        """Waits for watches to go on from a version that they knew; their paths, and those versions."""
        await self._news.wait()
        self._news.clear()
        found, self._resumed = self._resumed, {}
        return found

    @property
    def unlisted(self) -> tuple[str, ...]:
        """Paths whose list is not complete yet."""
        return tuple(sorted(self._streams - self._heard.keys()))

    @property
    def complete(self) -> bool:
        """Whether the watch has told of all that there is."""
        return self.beats and not self.unlisted

    @property
    def heard_ago(self) -> float:
        """Seconds since the watch that was answered longest ago; 0 before the first."""
        return max((self._clock() - at for at in self._heard.values()), default=0.0)

    @property
    def tried_ago(self) -> float:
        """Seconds since any request was begun or answered."""
        return self._clock() - self._tried

    def trace(self) -> aiohttp.TraceConfig:
        """For Kopf's session."""
        config = aiohttp.TraceConfig()

        async def begun(
            _session: aiohttp.ClientSession, _context: SimpleNamespace, _told: aiohttp.TraceRequestStartParams
        ) -> None:
            self._tried = self._clock()

        async def answered(
            _session: aiohttp.ClientSession, _context: SimpleNamespace, told: aiohttp.TraceRequestEndParams
        ) -> None:
            self._tried = self._clock()
            path = told.url.path
            if told.response.status == 200 and "watch" in told.url.query and "/apis/" in path:
                # The API server may stand below a path of its own.
                stream = path[path.index("/apis/") :]
                self._heard[stream] = self._clock()
                if (version := told.url.query.get("resourceVersion", "")).isdigit():
                    self._resumed[stream] = int(version)
                    self._news.set()

        config.on_request_start.append(begun)
        config.on_request_end.append(answered)
        return config
