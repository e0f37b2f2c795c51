"""The manifests that a user applies: CRDs, the operator's permissions, tiers, tenants."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from neon_tenants.api import crd

_PACKAGE: Final = Path(__file__).parent
# In a checkout the examples stand beside the source root; in a wheel they are inside the package.
_FOLDERS: Final = (_PACKAGE.parents[1] / "examples", _PACKAGE / "examples")

RBAC: Final = "operator-rbac.yaml"
TIERS: Final = "tiers.yaml"


def example(name: str) -> Path:
    """The path of a file of `examples/`.

    Raises:
        FileNotFoundError: there is no such file.
    """
    for folder in _FOLDERS:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"There is no example {name}; run from a checkout of the repository.")


def crds() -> str:
    """The CRDs as one YAML text, from the models themselves."""
    return "---\n".join(crd.files().values())
