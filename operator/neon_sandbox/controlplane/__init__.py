"""A real Kubernetes control plane on this machine: etcd, kube-apiserver, kube-controller-manager, kubectl.

    binaries = await prepare()
    async with ControlPlane.start(binaries) as plane:
        ...  # plane.kubeconfig, plane.kubectl, plane.requests()

Modules: `binaries` is the ladder of places to get programs from (`cache`, `download`, `build` with
`module`), `cluster` runs them, `audit` reads what was asked of them, `foreground` is a command.
"""

from neon_sandbox.controlplane.audit import Request
from neon_sandbox.controlplane.binaries import Binaries, MissingProgramsError, prepare
from neon_sandbox.controlplane.cluster import ControlPlane, NotReadyError
from neon_sandbox.controlplane.foreground import KubeconfigError, run_forever
from neon_sandbox.controlplane.release import ETCD_VERSION, KUBERNETES_VERSION, VersionError
from neon_sandbox.controlplane.report import Report

__all__ = [
    "ETCD_VERSION",
    "KUBERNETES_VERSION",
    "Binaries",
    "ControlPlane",
    "KubeconfigError",
    "MissingProgramsError",
    "NotReadyError",
    "Report",
    "Request",
    "VersionError",
    "prepare",
    "run_forever",
]
