"""The programs of others that these tests run: what is said when one cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolbox import NotPreparedError, environment


async def test_without_a_package_index_it_says_so_and_leaves_nothing_that_looks_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(NotPreparedError, match=r"checkov is not there\. Run `make tools`"):
        environment.CHECKOV.path()
    with pytest.raises(environment.NotInstalledError, match=r"pip install .*failed:(.|\n)*No matching dist"):
        await environment.prepare()
    assert environment.CHECKOV.folder.is_relative_to(tmp_path)
    with pytest.raises(NotPreparedError):
        environment.CHECKOV.path()
