"""The ledger: what was done to the tenants, so far as it decides what may have become of their projects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
"""A Kubernetes object, or a project of the emulator's."""


@dataclass
class Ledger:
    """Uids are those of resources, ids those of projects."""

    names: dict[str, str] = field(default_factory=dict)
    """The name of each resource that ever was, by its uid."""
    deletable: set[str] = field(default_factory=set)
    """Uids that were deleted, or marked for it, while the policy was Delete."""
    releasable: set[str] = field(default_factory=set)
    """Likewise with Retain."""
    unmarked: set[str] = field(default_factory=set)
    """Uids that went with their DELETE: their finalizer did not stand, or was written in that moment."""
    stripped: set[str] = field(default_factory=set)
    """Uids whose finalizers a person has removed."""
    wiped: set[str] = field(default_factory=set)
    """Uids whose status a person has wiped or replaced."""
    deleted_by_hand: set[str] = field(default_factory=set)
    recovered_by_hand: set[str] = field(default_factory=set)
    renamed_by_hand: set[str] = field(default_factory=set)
    rows: dict[str, str] = field(default_factory=dict)
    """What was written into the database of a project, by its id."""
    foreign: dict[str, Object] = field(default_factory=dict)
    """Somebody else's Secrets, by their uids, as they were made."""

    def saw(self, tenant: Mapping[str, Any]) -> None:
        """A resource as it is between two acts."""
        uid = tenant["metadata"]["uid"]
        self.names[uid] = tenant["metadata"]["name"]
        if "deletionTimestamp" in tenant["metadata"]:
            self.asked(tenant)

    def asked(self, tenant: Mapping[str, Any]) -> None:
        """Somebody deletes the resource. In the moment of its first write it may be gone without a mark."""
        policy = tenant["spec"]["deletionPolicy"]
        (self.deletable if policy == "Delete" else self.releasable).add(tenant["metadata"]["uid"])
