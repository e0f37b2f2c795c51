"""`python -m generators.release_notes v0.1.0`: what the changelog says of the version that a tag names."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]


class NoReleaseError(Exception):
    """There is no such release to be made; the message says what to do."""


def notes(tag: str, *, version: str, changelog: str) -> str:
    """The section of `changelog` for `version`, without its heading.

    Raises:
        NoReleaseError: the tag names another version, or the version has no section or an empty one.
    """
    if tag != f"v{version}":
        raise NoReleaseError(f"The tag is {tag}, and pyproject.toml says {version}. Tag v{version}.")
    heading = rf"^## \[?{re.escape(version)}\]?(?: - \d{{4}}-\d\d-\d\d)?$"
    found = re.search(heading + r"\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    text = "" if found is None else found[1].strip()
    if not text:
        raise NoReleaseError(f"CHANGELOG.md says nothing of {version}. Give it a section `## {version}`.")
    return text + "\n"


def main(tag: str) -> str:
    """The notes of this checkout."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return notes(tag, version=project["version"], changelog=(ROOT / "CHANGELOG.md").read_text())


if __name__ == "__main__":
    try:
        sys.stdout.write(main(sys.argv[1]))
    except NoReleaseError as error:
        sys.exit(str(error))
