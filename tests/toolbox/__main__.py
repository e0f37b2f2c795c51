"""`python -m toolbox`: builds what is not there yet."""

from __future__ import annotations

import asyncio
import sys

import toolbox
from neon_sandbox.controlplane.source import SourceError

try:
    asyncio.run(toolbox.prepare())
except SourceError as error:
    sys.exit(f"{error}\nThe tests of charts and manifests need Go: install it from https://go.dev/dl.")
