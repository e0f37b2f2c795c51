"""The marker and the birth certificate."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import builders as a
from neon_tenants.core.marker import (
    MAX_PROJECT_NAME,
    Certificate,
    Marker,
    place_in,
    start_empty_token,
)

labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
object_names = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,190}[a-z0-9])?", fullmatch=True)
clusters = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
markers = st.builds(Marker, clusters, labels, object_names, st.uuids().map(str))


@given(markers)
def test_a_name_fits_neons_console_and_lies_in_its_place(marker: Marker) -> None:
    for name in (marker.project_name, marker.released_name):
        assert len(name) <= MAX_PROJECT_NAME
        assert marker.in_place(name)
        assert place_in(name) == marker.place
        assert marker.search_text in name


@given(markers, st.uuids().map(str))
@pytest.mark.proves("T2")
def test_two_lives_of_a_resource_share_the_place_and_not_the_name(marker: Marker, uid: str) -> None:
    again = replace(marker, uid=uid)
    assert again.place == marker.place
    assert (again.project_name == marker.project_name) == (uid == marker.uid)
    assert marker.in_place(again.project_name)


@given(markers, markers)
@pytest.mark.proves("T2")
def test_two_resources_never_share_a_name(one: Marker, other: Marker) -> None:
    if one != other:
        assert one.project_name != other.project_name


def test_a_name_reads_well() -> None:
    marker = Marker("prod-eu", "shop", "acme", str(uuid.UUID(int=1)))
    assert marker.project_name == f"shop-acme-prod-eu-{marker.place}-aaaaaaaaaaaaaaaaaaaaaaaaae"
    assert marker.released_name == f"shop-acme-prod-eu-{marker.place}-released"


def test_a_long_name_is_cut_to_what_fits_and_stays_a_name() -> None:
    full = Marker("prod", "a-namespace-of-some-length", "acme", a.UID)
    assert len(replace(full, cluster="c" * 12).project_name) == MAX_PROJECT_NAME
    dash = Marker("prod", "my-namespace", "acme", a.UID)
    assert dash.project_name.startswith("my-namespace-prod-")


@pytest.mark.proves("F18", "T2")
def test_a_neighbor_is_not_in_our_place() -> None:
    for name in (
        "acme",
        a.MARKER.project_name + "-copy",
        replace(a.MARKER, cluster="test").project_name,
        replace(a.MARKER, name="other").project_name,
    ):
        assert not a.MARKER.in_place(name)


def test_a_name_of_others_names_no_place() -> None:
    assert place_in("my favourite database") is None
    assert place_in("a-b-c") is None


def test_a_certificate_survives_neon() -> None:
    certificate = Certificate.of(a.MARKER)
    assert Certificate.read(certificate.annotations()) == certificate
    assert Certificate.read({"neontenants.io/cluster": "prod"}) is None
    assert Certificate.read({}) is None


def test_a_certificate_names_a_place_in_any_life() -> None:
    assert Certificate.of(a.PREDECESSOR).names_place_of(a.MARKER)
    assert not Certificate.of(replace(a.MARKER, cluster="test")).names_place_of(a.MARKER)


def test_a_token_stays_what_it_was_for_those_who_keep_it_in_git() -> None:
    assert start_empty_token(["a-1", "b-2"]) == "3xzds7kv"


def test_a_token_is_of_a_set_of_projects_and_shows_none_of_them() -> None:
    token = start_empty_token(["a-1", "b-2"])
    assert token == start_empty_token(["b-2", "a-1"])
    assert token != start_empty_token(["a-1"])
    assert "a-1" not in token
