"""The plan: one tenant's world in, one step out."""

from __future__ import annotations

from dataclasses import replace

from neon_tenants.api import names
from neon_tenants.api.conditions import Reason
from neon_tenants.core import removal, upkeep
from neon_tenants.core.entitlement import granted, postgres_version, region
from neon_tenants.core.identity import Bound, Missing, Predecessors, Stranger, Unbound, identify
from neon_tenants.core.intent import IntentState, alive_until
from neon_tenants.core.observed import Observed
from neon_tenants.core.obstacle import STALLED_AGAIN, obstacle_of
from neon_tenants.core.project import (
    Limits,
)
from neon_tenants.core.steps import (
    CreateProject,
    CreateSecret,
    DeclareIntent,
    LookUp,
    ReadEndpoints,
    ReadSecret,
    Rest,
    Step,
    Wait,
)


def next_step(observed: Observed) -> Step:
    """What to do next for this tenant. The first row that applies decides.

    | # | observed | step |
    |---|---|---|
    | 0 | the Secret not read, and more to do than to follow the tier | ReadSecret |
    | 1 | deleted | `removal.next_step`; where deletionProtection holds it, the rows of `_protected` |
    | 2 | paused | Rest Paused |
    | 2 | a part of the spec is not understood | Rest SpecNotUnderstood |
    | 3 | never touched, and refused by the tier, or the Secret's name is taken | Rest with the reason |
    | 4 | Neon not looked at yet | LookUp; fresh unless the tenant is settled |
    | 5 | a project's certificate, or the deleted projects, decide and are not known | read them |
    | 6 | recorded project gone | Rest ProjectMissing |
    | 7 | recorded project proves not ours | Rest NotOurs |
    | 8 | projects of an earlier life, not set aside | Rest PreviousProjectFound |
    | 9 | one is ours | the rows of `upkeep.next_step` |
    | 10 | none is ours | the rows of `_unbound` |

    A write is never decided on an older look: then row 4 comes first again, fresh. Whether a compute is idle
    by now may be looked at.
    """
    if observed.secret is None and not observed.only_follows:
        return ReadSecret()
    if observed.tenant.deleting:
        removing = removal.next_step(observed)
        return _protected(observed) if removing is removal.PROTECTED else removing
    if pause := removal.paused(observed):
        return pause
    if observed.tenant.unread:
        return removal.not_understood(observed)
    if not observed.tenant.has_finalizer and (obstacle := obstacle_of(observed)):
        return obstacle
    if observed.lookup is None:
        return LookUp(fresh=not observed.settled)
    identity = identify(observed, observed.lookup)
    step: Step
    match identity:
        case Bound():
            step = upkeep.next_step(observed, identity)
        case Unbound():
            step = _unbound(observed)
        case Missing() | Stranger() | Predecessors():
            step = _lost(identity)
        case _:
            step = identity
    # An older list may say that nothing is to do, and that the computes are to be looked at.
    enough = isinstance(step, ReadEndpoints) or (isinstance(step, Rest) and step.ready and not step.drift)
    return step if observed.lookup.fresh or enough else LookUp(fresh=True)


def _protected(observed: Observed) -> Step:
    """A deletion is held and its database works on: it is kept to spec and tier, and its Secret true.

    Else a tenant would end its suspension, and each later limit, by deleting itself under protection. No
    project is made meanwhile, and none is deleted, not even a duplicate.

    | # | observed | step |
    |---|---|---|
    | 1 | a part of the spec is not understood | Rest DeletionHeld |
    | 2 | Neon not looked at since the resource was read | LookUp, fresh |
    | 3 | a project's certificate, or the deleted projects, decide and are not known | read them |
    | 4 | none is ours | Rest DeletionHeld; not Available, unless a stranger's is recorded |
    | 5 | one is ours, but its Secret is missing and may not be created | Rest DeletionHeld; not Available |
    | 6 | one is ours | the rows of `upkeep.next_step`, without duplicates; its Rest tells DeletionHeld |
    """
    held = removal.PROTECTED
    if observed.tenant.unread:
        return held
    if observed.lookup is None or not observed.lookup.fresh:
        return LookUp(fresh=True)
    identity = identify(observed, observed.lookup)
    match identity:
        case Bound():
            step = upkeep.next_step(observed, replace(identity, duplicates=()))
            if isinstance(step, CreateSecret) and observed.secret_refused:
                return replace(held, available=False, again=removal.HELD_AGAIN)
            if not isinstance(step, Rest):
                return step
            return replace(
                held, available=step.available, again=step.again, applied=step.applied, drift=step.drift
            )
        case Unbound() | Missing() | Predecessors():
            return replace(held, available=False)
        case Stranger():
            return held
        case _:
            return identity


def _lost(identity: Missing | Stranger | Predecessors) -> Rest:
    match identity:
        case Missing(project_id, deleted):
            if deleted is not None:
                until = deleted.recoverable_until
                message = (
                    f"The Neon project {project_id} was deleted. Neon keeps it "
                    f"{f'until {until}' if until else 'for 7 days after its deletion'}: recover it in Neon's "
                    "console until then, and this heals. It is not replaced by an empty one."
                )
            else:
                message = (
                    f"The Neon project {project_id} is gone for good, or not in this Neon organization "
                    "any more. It is not replaced by an empty one. If it was moved, move it back, and this "
                    "heals. Else delete this resource and create it again to start with an empty database."
                )
            return Rest(Reason.PROJECT_MISSING, message, available=False, stalled=True, again=STALLED_AGAIN)
        case Stranger(project_id):
            message = (
                f"The Neon project {project_id} bears neither our name nor our birth certificate. It is not "
                "touched. If it is this tenant's, give it back its name in Neon's console."
            )
            return Rest(Reason.NOT_OURS, message, stalled=True, again=STALLED_AGAIN)
        case _:
            few = len(identity.projects) == 1
            count = "A database" if few else f"{len(identity.projects)} databases"
            message = (
                f"{count} of an earlier resource of this name still stands on Neon, with its data; nothing "
                "new is made. An administrator can bind it again: `neon-tenant-operator rebind`. To start "
                "with an empty database and leave it aside, set the annotation "
                f"{names.START_EMPTY}={identity.token}."
            )
            return Rest(
                Reason.PREVIOUS_PROJECT_FOUND, message, available=False, stalled=True, again=STALLED_AGAIN
            )


def _unbound(observed: Observed) -> Step:
    """A project is to be made.

    | # | observed | step |
    |---|---|---|
    | 1 | a POST may be under way, ours or another's | Wait OutcomeUnknown |
    | 2 | refused by the tier, or the Secret's name is taken | Rest with the reason |
    | 3 | the intent is ours, unsent, and the gate is open | CreateProject |
    | 4 | else | DeclareIntent |
    """
    tenant, state = observed.tenant, observed.intent_state
    if state is IntentState.ALIVE:
        return _wait_for_intent(observed)
    if obstacle := obstacle_of(observed):
        return obstacle
    assert observed.tier is not None
    if state is IntentState.MINE:
        limits = granted(tenant.spec, observed.tier, observed.namespace_labels)
        assert isinstance(limits, Limits)
        return CreateProject(
            limits, region(tenant.spec, observed.tier), postgres_version(tenant.spec, observed.tier)
        )
    return DeclareIntent()


def _wait_for_intent(observed: Observed) -> Wait:
    sighting, attempt = observed.knowledge.sighting, observed.knowledge.attempt
    assert sighting is not None
    lost = attempt is not None and attempt.nonce == sighting.nonce
    what = (
        "The answer to the request that makes the project was lost"
        if lost
        else "Another process, or this one before a restart, may be making the project"
    )
    return Wait(
        Reason.OUTCOME_UNKNOWN,
        f"{what}. It is looked for, and not made twice.",
        within=alive_until(sighting, attempt) - observed.now,
    )
