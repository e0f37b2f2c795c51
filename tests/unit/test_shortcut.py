"""The short cut through Kopf: it is for one version, takes what is ours, and leaves nothing behind."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

import pytest
from kopf._cogs.clients import fetching, watching
from kopf._cogs.structs.references import Resource

from neon_tenants import shortcut
from neon_tenants.api import names

TENANTS = Resource(names.GROUP, names.VERSION, names.TENANT_DATABASES, namespaced=True)
PODS = Resource("", "v1", "pods", namespaced=True)
EVENT = {"type": "ADDED", "object": {"metadata": {"name": "acme"}}}


def test_the_installed_kopf_is_the_one_that_was_tested() -> None:
    """After an update: look at both functions in Kopf, run all tests, and move the pin."""
    assert version("kopf") == shortcut.PINNED
    for function in (watching.infinite_watch, fetching.fetch_objs):
        assert inspect.isasyncgenfunction(function)
        assert {"resource", "namespace", "settings"} <= inspect.signature(function).parameters.keys()


def test_while_it_is_taken_two_functions_are_replaced() -> None:
    before = (watching.infinite_watch, fetching.fetch_objs)
    with shortcut.taken({}, {}) as taken:
        assert taken
        assert watching.infinite_watch is not before[0]
        assert fetching.fetch_objs is not before[1]
    assert (watching.infinite_watch, fetching.fetch_objs) == before


def test_in_another_version_nothing_is_replaced() -> None:
    before = (watching.infinite_watch, fetching.fetch_objs)
    with shortcut.taken({}, {}, kopf="1.45.3") as taken:
        assert not taken
        assert (watching.infinite_watch, fetching.fetch_objs) == before


def told(*events: Any) -> Any:
    async def watch(**_: Any) -> AsyncIterator[Any]:
        for event in events:
            yield event

    return watch


@pytest.mark.parametrize(
    ("resource", "event", "handed"),
    [
        (TENANTS, EVENT, True),
        (TENANTS, {**EVENT, "type": None}, True),
        (TENANTS, {**EVENT, "type": "DELETED"}, True),
        (TENANTS, {"type": "BOOKMARK", "object": {}}, False),
        (TENANTS, watching.Bookmark.LISTED, False),
        (PODS, EVENT, False),
    ],
)
async def test_events_of_our_kinds_go_to_us_and_all_others_to_kopf(
    resource: Resource, event: Any, *, handed: bool
) -> None:
    taken: list[tuple[Any, Any]] = []
    hands = {names.TENANT_DATABASES: lambda kind, body: taken.append((kind, body))}
    watch = shortcut._handing(told(event), hands)
    passed_on = [found async for found in watch(resource=resource, namespace=None)]
    assert passed_on == ([] if handed else [event])
    assert taken == ([(event["type"], event["object"])] if handed else [])


async def test_an_event_that_is_not_understood_does_not_end_the_watch() -> None:
    taken: list[Any] = []

    def hand(_kind: str | None, body: Any) -> None:
        taken.append(body["metadata"]["name"])

    watch = shortcut._handing(told({"type": "ADDED", "object": {}}, EVENT), {names.TENANT_DATABASES: hand})
    assert [found async for found in watch(resource=TENANTS)] == []
    assert taken == ["acme"]


async def test_a_list_that_was_read_is_not_read_again_but_the_next_one_is() -> None:
    fetch = shortcut._reading(told((["a body"], "7")), {(names.TENANT_DATABASES, None): "5"})
    assert [page async for page in fetch(resource=TENANTS, namespace=None)] == [([], "5")]
    assert [page async for page in fetch(resource=TENANTS, namespace=None)] == [(["a body"], "7")]


@pytest.mark.parametrize(("resource", "namespace"), [(PODS, None), (TENANTS, "other")])
async def test_lists_of_others_are_read(resource: Resource, namespace: str | None) -> None:
    known: shortcut.Listed = {(names.TENANT_DATABASES, None): "5", ("pods", None): "5"}
    fetch = shortcut._reading(told(("page", "7")), known)
    assert [page async for page in fetch(resource=resource, namespace=namespace)] == [("page", "7")]
