"""A short cut through Kopf: its watch hands raw events to us, and does nothing for each object.

Kopf gives each object of an event a queue and a task, and compares copies of it, before a handler is asked;
of five events four are echoes of our own writes. Its public interface has no way around that. So two of its
functions are replaced while it runs, in the one version that this was written and tested for. With any other
all works as always, by handlers that do the same (docs/decisions/0042-raw-events.md).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Final

from kopf._cogs.clients import fetching, watching
from kopf._cogs.structs.references import Resource

from neon_tenants.api import names

logger = logging.getLogger(__name__)

PINNED: Final = "1.45.2"
"""The version of Kopf whose functions these are. With another one nothing is replaced."""

Hand = Callable[[str | None, Mapping[str, Any]], None]
"""Takes an event's type (None: from a list) and its object."""
Listed = dict[tuple[str, str | None], str]
"""Lists that were read already: their versions, by plural and namespace (None: all)."""


def is_known(kopf: str) -> bool:
    """Whether this version of Kopf is the one that has the short cut."""
    return kopf == PINNED


@contextmanager
def taken(hands: Mapping[str, Hand], listed: Listed, *, kopf: str | None = None) -> Iterator[bool]:
    """Takes the short cut until the block ends, if there is one: it yields whether.

    Events of our kinds go to `hands`, by plural. A list that is in `listed` is not read again, once: Kopf
    watches from its version on.
    """
    if not is_known(kopf or version("kopf")):
        logger.warning("This version of Kopf is another than was tested: each event costs more.")
        yield False
        return
    watch, fetch = watching.infinite_watch, fetching.fetch_objs
    watching.infinite_watch = _handing(watch, hands)
    fetching.fetch_objs = _reading(fetch, listed)
    try:
        yield True
    finally:
        watching.infinite_watch, fetching.fetch_objs = watch, fetch


def _handing(watch: Callable[..., Any], hands: Mapping[str, Hand]) -> Callable[..., AsyncIterator[Any]]:
    async def infinite_watch(*, resource: Resource, **rest: Any) -> AsyncIterator[Any]:
        hand = hands.get(resource.plural) if resource.group == names.GROUP else None
        async for event in watch(resource=resource, **rest):
            if hand is None or isinstance(event, watching.Bookmark) or event["type"] == "BOOKMARK":
                yield event
                continue
            try:
                hand(event["type"], event["object"])
            # As Kopf does for its handlers: an object that nobody expected must not end the watch of all.
            except Exception as error:  # noqa: BLE001
                logger.error("An event was not understood.", extra={"error": type(error).__name__})  # noqa: TRY400

    return infinite_watch


def _reading(fetch: Callable[..., Any], listed: Listed) -> Callable[..., AsyncIterator[Any]]:
    async def fetch_objs(
        *, resource: Resource, namespace: str | None, **rest: Any
    ) -> AsyncIterator[tuple[Collection[Any], str]]:
        known = listed.pop((resource.plural, namespace), None) if resource.group == names.GROUP else None
        if known is not None:
            yield [], known
            return
        async for page in fetch(resource=resource, namespace=namespace, **rest):
            yield page

    return fetch_objs
