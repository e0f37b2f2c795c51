"""Started before an operator: its Kopf is of a version that nobody has tested."""

from __future__ import annotations

import kopf_counted  # noqa: F401 - it counts as well
from neon_tenants import shortcut

shortcut.PINNED = "0"  # type: ignore[misc]
