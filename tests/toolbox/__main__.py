"""`python -m toolbox`: builds what is not there yet."""

from __future__ import annotations

import asyncio
import os
import sys

import toolbox
from neon_sandbox.controlplane.source import SourceError
from toolbox import environment, prometheus

try:
    asyncio.run(prometheus.prepare())
except prometheus.NoPrometheusError as error:
    sys.stderr.write(f"{error}\n")
    if os.environ.get(prometheus.REQUIRED):
        sys.exit(1)

try:
    asyncio.run(toolbox.prepare())
except SourceError as error:
    sys.exit(f"{error}\nThe tests of charts and manifests need Go: install it from https://go.dev/dl.")

try:
    asyncio.run(environment.prepare())
except environment.NotInstalledError as error:
    sys.exit(
        f"{error}\nThe tests of charts and manifests need that: give pip a package index, then `make tools`."
    )
