"""A hook of MkDocs: links out of docs/, to files of the repository, which a site does not have."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Final

from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[1]
_LINK: Final = re.compile(r"\[([^\]]+)\]\((\.\./[^)#]+)(#[^)]*)?\)")


def on_page_markdown(markdown: str, /, *, page: Page, **_: object) -> str:
    """Names the file instead. A link to a file that is not there is left, so that MkDocs finds it broken."""
    folder = PurePosixPath("docs", page.file.src_uri).parent

    def named(match: re.Match[str]) -> str:
        path = os.path.normpath(folder / match[2])
        if path.startswith("docs/") or not (ROOT / path).exists():
            return match[0]
        return f"{match[1]} (`{path}` in the repository)"

    return _LINK.sub(named, markdown)
