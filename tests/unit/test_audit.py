"""The audit log's reader."""

from __future__ import annotations

import json
from pathlib import Path

from neon_sandbox.controlplane import audit


def test_it_begins_with_the_first_whole_line_and_ends_with_the_last(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    lines = [json.dumps({"verb": verb, "requestURI": "/"}) for verb in ("get", "list", "watch")]
    log.write_text("\n".join(lines))
    second = len(lines[0]) + 1
    assert [request.verb for request in audit.read(log)] == ["get", "list"]
    assert [request.verb for request in audit.read(log, second)] == ["list"]
    assert [request.verb for request in audit.read(log, second - 5)] == ["list"]
    assert list(audit.read(log, second + 1)) == []
