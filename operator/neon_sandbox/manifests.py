"""The manifests that a user applies: CRDs, the operator's permissions, tiers, tenants."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from neon_tenants.api import crd

_PACKAGE: Final = Path(__file__).parent
# In a checkout the folders stand beside the source root; in a wheel they are inside the package.
_ROOTS: Final = (_PACKAGE.parents[1], _PACKAGE)

TIERS: Final = "tiers.yaml"
_PERMISSIONS: Final = ("namespace.yaml", "serviceaccount.yaml", "rbac.yaml")


def example(name: str) -> Path:
    """The path of a file of `examples/`.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return _file("examples", name)


def permissions() -> str:
    """The operator's namespace and permissions as the chart makes them, as one YAML text.

    Raises:
        FileNotFoundError: they are not there.
    """
    return "---\n".join(_file("manifests", name).read_text() for name in _PERMISSIONS)


def crds() -> str:
    """The CRDs as one YAML text, from the models themselves."""
    return "---\n".join(crd.files().values())


def _file(folder: str, name: str) -> Path:
    for root in _ROOTS:
        if (root / folder / name).is_file():
            return root / folder / name
    raise FileNotFoundError(f"There is no {folder}/{name}; run from a checkout of the repository.")
