"""Which Kubernetes: the pinned release, and the programs of it that are needed."""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import dataclass

KUBERNETES_VERSION = "1.36.3"
"""The release that demo, tests and benchmarks run on unless K8S_VERSION says otherwise."""

ETCD_VERSION = "3.6.8"
"""The etcd that KUBERNETES_VERSION requires in its go.mod."""

ETCD = "etcd"
KUBE_APISERVER = "kube-apiserver"
KUBE_CONTROLLER_MANAGER = "kube-controller-manager"
KUBECTL = "kubectl"

PROGRAMS = (ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, KUBECTL)
"""What a control plane is made of, in the order in which it is built."""

_VERSION = re.compile(r"v?(1\.\d{1,3}\.\d{1,3})")
# Go's names, which every publisher uses; another machine's own name is passed on as it is.
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class VersionError(Exception):
    """A Kubernetes version that is not of the form 1.36.3, or a system that it does not run on."""


@dataclass(frozen=True)
class Release:
    """One Kubernetes release for one kind of machine; `system` and `machine` in Go's names."""

    version: str
    system: str
    machine: str

    @property
    def pinned(self) -> bool:
        """Whether it is the release that this project ships module hashes for."""
        return self.version == KUBERNETES_VERSION

    @property
    def made_from(self) -> str:
        """What a program of this release is made from; a cached one with another stamp is stale."""
        etcd = f" etcd {ETCD_VERSION}" if self.pinned else ""
        return f"kubernetes {self.version}{etcd} {self.system}/{self.machine}"

    def __str__(self) -> str:
        return f"Kubernetes {self.version} ({self.system}/{self.machine})"


def parse_version(text: str) -> str:
    """`1.36.3` from `1.36.3` or `v1.36.3`; raises VersionError for anything else."""
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        raise VersionError(f"{text!r} is not a Kubernetes version. Write it in full, for example 1.34.4.")
    return match[1]


def for_this_machine(version: str) -> Release:
    """The release `version` for the machine we run on; raises VersionError off Linux and macOS."""
    if sys.platform not in {"linux", "darwin"}:
        raise VersionError(f"The sandbox runs on Linux and macOS, not on {sys.platform}.")
    machine = platform.machine()
    return Release(version, sys.platform, _MACHINES.get(machine, machine))
