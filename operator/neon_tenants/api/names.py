"""Names that stand in the cluster: group, kinds, finalizer, annotations, the Secret's type.

They are part of the API. Changing one orphans what was written under the old name.
"""

from __future__ import annotations

from typing import Final

GROUP: Final = "neontenants.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

TENANT_DATABASE: Final = "TenantDatabase"
TENANT_DATABASES: Final = "tenantdatabases"
DATABASE_TIER: Final = "DatabaseTier"
DATABASE_TIERS: Final = "databasetiers"
FLEET_OPERATION: Final = "FleetOperation"
FLEET_OPERATIONS: Final = "fleetoperations"

FINALIZER: Final = f"{GROUP}/project"
"""Held until the Neon project is gone or released. Written together with the first intent."""

PAUSED: Final = f"{GROUP}/paused"
"""For people, on a TenantDatabase or on a Namespace: `"true"` means hands off."""
START_EMPTY: Final = f"{GROUP}/start-empty"
"""For people: the token of a previous project that is to be left aside (protocol, rule 13)."""
RECONCILE_REQUESTED_AT: Final = f"{GROUP}/reconcile-requested-at"
"""For people: any new value asks for a thorough look now; status answers in `lastHandledReconcileAt`."""
ROLLOUT_CONFIRMED: Final = f"{GROUP}/rollout-confirmed"
"""For people, on a DatabaseTier: the generation whose rollout may go on, or `<generation>-<failures>`."""

INTENT: Final = f"{GROUP}/create-intent"
"""Internal, on a TenantDatabase: the declared create (protocol, rule 3). Not to be edited."""

OWNER_UID: Final = f"{GROUP}/owner-uid"
"""Internal, on a Secret: the uid of the TenantDatabase whose login it holds. Proof of ownership."""
OWNER_NAME: Final = f"{GROUP}/owner-name"
"""Internal, on a Secret: the name of that TenantDatabase."""
PROJECT_ID: Final = f"{GROUP}/project-id"
"""Internal, on a Secret: the Neon project that the login belongs to (protocol, rule 8)."""
DATA_DIGEST: Final = f"{GROUP}/data-digest"
"""Internal, on a Secret: SHA-256 over the data that was written, so that an edit is noticed."""

SECRET_TYPE: Final = "servicebinding.io/postgresql"  # noqa: S105 - a type, not a password
"""The type of connection Secrets (servicebinding.io). A Secret's type cannot be changed later."""

RESERVED_PREFIX: Final = f"{GROUP}/"
"""Labels and annotations with this prefix are ours alone."""
