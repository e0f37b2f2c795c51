"""The wheel, unpacked where there is no checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import charts
from neon_sandbox import manifests
from neon_sandbox.bench.program import SOURCES


def test_the_sandbox_of_a_wheel_has_what_it_applies(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=charts.ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "unpacked")
    shipped = tmp_path / "unpacked/neon_sandbox/bench/yardstick"
    assert {path.name for path in shipped.iterdir()} == {path.name for path in SOURCES.iterdir()}
    code = (
        "from neon_sandbox import manifests as m\n"
        "print(m.__file__, m.example(m.TIERS))\n"
        "print(m.permissions())"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "unpacked")},
        capture_output=True,
        text=True,
        check=True,
    )
    places, permissions = found.stdout.split("\n", 1)
    assert places.count(str(tmp_path)) == 2
    assert permissions == manifests.permissions() + "\n"
