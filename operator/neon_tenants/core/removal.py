"""The half of the plan for resources that were deleted."""

from __future__ import annotations

from typing import Final

from neon_tenants.api import names
from neon_tenants.api.conditions import Reason
from neon_tenants.api.database_tier import DeletionPolicy
from neon_tenants.core.intent import IntentState, alive_until
from neon_tenants.core.observed import Lookup, Observed
from neon_tenants.core.project import Project
from neon_tenants.core.secret import Ours
from neon_tenants.core.steps import (
    DeleteProject,
    Leave,
    LookUp,
    OwnSecret,
    ReadCertificate,
    RemoveFinalizer,
    RenameProject,
    Rest,
    Step,
    Wait,
)

HELD_AGAIN: Final = 300.0
"""Seconds between looks while a deletion is held by what may change without an event."""
PAUSED_AGAIN: Final = 30.0
"""Seconds between looks while something is paused by what changes without an event, as a Namespace does."""

PROTECTED: Final = Rest(
    Reason.DELETION_HELD,
    "The deletion is held by spec.deletionProtection, and the database works on. Set it to false to "
    "let it go.",
    stalled=True,
)


def paused(observed: Observed) -> Rest | None:
    """The rest of a tenant that nobody may change now; None for the others."""
    if observed.tenant.paused:
        held = "the deletion is held" if observed.tenant.deleting else "nothing is changed"
        message = f"The annotation {names.PAUSED} is true: {held}. Remove it to go on."
        return Rest(Reason.PAUSED, message, ready=None)
    if observed.pause is not None:
        message = (
            f"{observed.pause} The deletion waits for that." if observed.tenant.deleting else observed.pause
        )
        return Rest(Reason.PAUSED, message, ready=None, again=PAUSED_AGAIN)
    return None


def not_understood(observed: Observed) -> Rest:
    """A part of the spec was stored under another version's schema: nobody here knows what it asks for."""
    parts = ", ".join(f"spec.{name}" for name in sorted(observed.tenant.unread))
    held = "the deletion is held" if observed.tenant.deleting else "nothing is changed"
    return Rest(
        Reason.SPEC_NOT_UNDERSTOOD,
        f"This version of the operator does not understand {parts}: {held}. Put it right, or run the version "
        "that knows it.",
        stalled=True,
        again=HELD_AGAIN,
    )


def next_step(observed: Observed) -> Step:
    """What to do next for a deleted tenant. The first row that applies decides.

    | # | observed | step |
    |---|---|---|
    | 1 | our finalizer is gone | Leave |
    | 2 | paused | Rest Paused: held |
    | 2 | `deletionProtection` is not understood | Rest SpecNotUnderstood: held |
    | 3 | `deletionProtection`, unless it vanished | Rest DeletionHeld; `plan` keeps the database up |
    | 4 | the brake holds it, and the policy is Delete | Rest DeletionHeld |
    | 5 | Neon not looked at since the last step | LookUp, fresh |
    | 6 | the recorded project bears another name, certificate not read | ReadCertificate |
    | 7 | ... it proves not ours, and the policy is Delete | Rest NotOurs: held |
    | 8 | a project that it gave up for an earlier one bears its name | RenameProject to the released name |
    | 8 | a project of ours, policy Delete | DeleteProject |
    | 9 | a project of ours, policy Retain | RenameProject to the released name |
    | 9 | the list still shows a project that was let go right before | Wait Deleting |
    | 10 | a POST may still be under way | Wait Deleting |
    | 11 | our Secret does not yet go with the resource | OwnSecret |
    | 12 | it vanished: there is no finalizer any more | Leave |
    | 13 | else | RemoveFinalizer |

    Row 5 comes after every DELETE and rename: the resource goes only when a complete list shows nothing.
    """
    tenant = observed.tenant
    if not tenant.has_finalizer:
        return Leave()
    if pause := paused(observed):
        return pause
    if "deletionProtection" in tenant.unread:
        return not_understood(observed)
    # It protects a database. One that nobody was ever told of holds nothing.
    if tenant.spec.deletion_protection and not tenant.vanished:
        return PROTECTED
    if observed.brake is not None and tenant.deletion_policy(observed.tier) is DeletionPolicy.DELETE:
        return Rest(Reason.DELETION_HELD, observed.brake, stalled=True, again=HELD_AGAIN)
    if observed.lookup is None or not observed.lookup.fresh:
        return LookUp(fresh=True)
    return _projects(observed, observed.lookup) or _release(observed)


def _projects(observed: Observed, lookup: Lookup) -> Step | None:
    policy = observed.tenant.deletion_policy(observed.tier)
    trusted = observed.tenant.status.project_id or observed.knowledge.created_id
    recorded = lookup.find(trusted)
    if recorded is not None and recorded.name not in (
        observed.marker.project_name,
        observed.marker.released_name,
    ):
        if recorded.id not in observed.certificates:
            return ReadCertificate(recorded.id)
        certificate = observed.certificates[recorded.id]
        if certificate is not None and certificate.names_place_of(observed.marker):
            return _let_go(observed, recorded, policy)
        if policy is DeletionPolicy.DELETE:
            return Rest(
                Reason.NOT_OURS,
                f"The Neon project {recorded.id} bears neither our name nor our birth certificate: it is not "
                "deleted. Set spec.deletionPolicy to Retain to let this resource go without it.",
                stalled=True,
                again=HELD_AGAIN,
            )
    given_up = observed.tenant.status.released_projects
    exact = [project for project in lookup.projects if project.name == observed.marker.project_name]
    if kept := next((project for project in exact if project.id in given_up), None):
        return _let_go(observed, kept, DeletionPolicy.RETAIN)
    ours = next(iter(exact), None)
    return _let_go(observed, ours, policy) if ours else None


def _let_go(observed: Observed, project: Project, policy: DeletionPolicy) -> Step:
    if project.id in observed.let_go:
        return Wait(
            Reason.DELETING, "The project is let go, and Neon's list still shows it. It is looked at again."
        )
    if policy is DeletionPolicy.DELETE:
        return DeleteProject(project.id)
    return RenameProject(project.id, observed.marker.released_name)


def _release(observed: Observed) -> Step:
    # MINE is an unsent POST of this process, which is here now and will not send it.
    sighting = observed.knowledge.sighting
    if observed.intent_state is IntentState.ALIVE and sighting is not None:
        return Wait(
            Reason.DELETING,
            "A request that makes the project may still be under way. It is awaited, so that nothing is left "
            "behind.",
            within=alive_until(sighting, observed.knowledge.attempt) - observed.now,
        )
    if isinstance(observed.secret, Ours) and not observed.secret.owned:
        return OwnSecret()
    return Leave() if observed.tenant.vanished else RemoveFinalizer()
