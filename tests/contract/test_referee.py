"""The referee sees what is wrong: a referee that lets everything pass proves nothing."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Any

import pytest

from contract import document
from contract.referee import ContractError, Referee

PROJECT: dict[str, Any] = {
    "id": "shiny-wind-028834",
    "platform_id": "aws",
    "region_id": "aws-us-east-2",
    "name": "tenant",
    "provisioner": "k8s-neonvm",
    "pg_version": 17,
    "created_at": "2026-11-22T17:42:25Z",
    "updated_at": "2026-11-22T17:42:25Z",
    "proxy_host": "us-east-2.aws.neon.tech",
    "cpu_used_sec": 0,
    "branch_logical_size_limit": 0,
    "owner_id": "1232111",
    "creation_source": "console",
    "store_passwords": True,
    "branch_logical_size_limit_bytes": 10800,
    "active_time": 100,
}
LIST: dict[str, Any] = {"projects": [PROJECT], "applications": {}, "integrations": {}}


def test_a_good_answer_passes(referee: Referee) -> None:
    referee.check_exchange("GET", "/api/v2/projects", {"limit": "10"}, None, 200, LIST)


BAD_ANSWERS: dict[str, tuple[int, dict[str, Any]]] = {
    "a required field is missing": (200, {"projects": [PROJECT], "applications": {}}),
    "a field has the wrong type": (200, LIST | {"projects": [PROJECT | {"pg_version": "17"}]}),
    "a time is not a time": (200, LIST | {"projects": [PROJECT | {"created_at": "yesterday"}]}),
    "an id has the wrong form": (200, LIST | {"projects": [PROJECT | {"id": "Not_An_Id"}]}),
    "a field is not in the document": (200, LIST | {"projects": [PROJECT | {"active_time_seconds": 1}]}),
    "a nested field is not in the document": (
        200,
        LIST | {"projects": [PROJECT | {"settings": {"quota": {"compute_seconds": 1}}}]},
    ),
    "the answer as a whole has a field too many": (200, LIST | {"total": 1}),
    "the status is not in the document": (202, LIST),
    "an error has no message": (404, {"code": ""}),
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
def test_a_bad_answer_is_refused(case: str, referee: Referee) -> None:
    status, body = BAD_ANSWERS[case]
    with pytest.raises(ContractError):
        referee.check_response("GET", "/projects", status, body)


BAD_REQUESTS: dict[str, tuple[str, str, dict[str, str], Any]] = {
    "the path is not in the document": ("GET", "/project", {}, None),
    "the method is not in the document": ("PUT", "/projects", {}, None),
    "an id has the wrong form": ("GET", "/projects/Not_An_Id", {}, None),
    "a query parameter is not in the document": ("GET", "/projects", {"page": "1"}, None),
    "a query parameter is out of range": ("GET", "/projects", {"limit": "401"}, None),
    "a query parameter is not a number": ("GET", "/projects", {"limit": "all"}, None),
    "a query parameter is missing": ("GET", "/projects/p-1/connection_uri", {"role_name": "r"}, None),
    "the body is missing": ("POST", "/projects", {}, None),
    "a body is not wanted": ("DELETE", "/projects/p-1", {}, {}),
    "a field is out of range": (
        "PATCH",
        "/projects/p-1",
        {},
        {"project": {"settings": {"quota": {"active_time_seconds": -1}}}},
    ),
    "a field is not in the document": ("PATCH", "/projects/p-1", {}, {"project": {"region_id": "x"}}),
    "a field of a composed body is not in the document": (
        "POST",
        "/projects/p-1/branches",
        {},
        {"branch": {}, "annotations": {}},
    ),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_a_bad_request_is_refused(case: str, referee: Referee) -> None:
    method, path, query, body = BAD_REQUESTS[case]
    with pytest.raises(ContractError):
        referee.check_request(method, path, query, body)


def test_a_literal_path_wins_over_one_with_a_parameter(referee: Referee) -> None:
    assert referee.find("GET", "/projects/shared").template == "/projects/shared"
    assert referee.find("GET", "/projects/anything").template == "/projects/{project_id}"


def test_checking_leaves_the_document_as_it_was(referee: Referee) -> None:
    specification = document.load()
    before = copy.deepcopy(specification)
    Referee(specification).check_exchange("GET", "/projects", {}, None, 200, LIST)
    assert specification == before


def test_a_cached_package_that_was_tampered_with_is_fetched_again(tmp_path: Path) -> None:
    archive = tmp_path / "neondatabase-api-client-2.7.3.tgz"
    archive.write_bytes(b"something else")
    assert document.load(tmp_path)["openapi"] == "3.0.3"
    assert len(hashlib.sha512(archive.read_bytes()).digest()) == 64
    assert [entry.name for entry in archive.parent.iterdir()] == [archive.name]


def test_without_npm_the_message_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(document.NoDocumentError, match="npm is needed"):
        document.load(tmp_path)
