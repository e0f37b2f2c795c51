"""As `skewed`, an hour behind."""

from __future__ import annotations

import skewed

skewed.SKEW = -3600.0
