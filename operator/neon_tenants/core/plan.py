"""The plan: one tenant's world in, one step out."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Final

from neon_tenants.api import names
from neon_tenants.api.conditions import Reason
from neon_tenants.api.database_tier import DriftPolicy
from neon_tenants.core import removal
from neon_tenants.core import usage as core_usage
from neon_tenants.core.difference import of_endpoint, of_name, of_project
from neon_tenants.core.entitlement import Refusal, granted, postgres_version, refused_start, region
from neon_tenants.core.harm import held_back
from neon_tenants.core.identity import Bound, Missing, Predecessors, Stranger, Unbound, identify
from neon_tenants.core.intent import IntentState, alive_until
from neon_tenants.core.observed import Observed
from neon_tenants.core.project import (
    Endpoint,
    Limits,
    Project,
    compute_differences,
    project_differences,
)
from neon_tenants.core.resize import waiting, waits
from neon_tenants.core.secret import Absent, Conflict, Foreign, LeftBehind, Ours, differs, render
from neon_tenants.core.steps import (
    AddFinalizer,
    CreateProject,
    CreateSecret,
    DeclareIntent,
    DeleteProject,
    LookUp,
    ReadConnection,
    ReadEndpoints,
    ReadOperations,
    ReadProject,
    RenameProject,
    Rest,
    Step,
    UpdateEndpoint,
    UpdateProject,
    UpdateSecret,
    Wait,
)

STALLED_AGAIN: Final = 300.0
"""Seconds between looks while only a person, or something that sends no event, can help."""


def next_step(observed: Observed) -> Step:
    """What to do next for this tenant. The first row that applies decides.

    | # | observed | step |
    |---|---|---|
    | 1 | deleted | `removal.next_step` |
    | 2 | paused | Rest Paused |
    | 3 | never touched, and refused by the tier, or the Secret's name is taken | Rest with the reason |
    | 4 | Neon not looked at yet | LookUp; fresh unless the tenant is settled |
    | 5 | a project's certificate, or the deleted projects, decide and are not known | read them |
    | 6 | recorded project gone | Rest ProjectMissing |
    | 7 | recorded project proves not ours | Rest NotOurs |
    | 8 | projects of an earlier life, not set aside | Rest PreviousProjectFound |
    | 9 | one is ours | the rows of `_bound` |
    | 10 | none is ours | the rows of `_unbound` |

    A write is never decided on an older look: then row 4 comes first again, fresh. Whether a compute is idle
    by now may be looked at.
    """
    if observed.tenant.deleting:
        return removal.next_step(observed)
    if pause := removal.paused(observed):
        return pause
    if not observed.tenant.has_finalizer and (obstacle := _obstacle(observed)):
        return obstacle
    if observed.lookup is None:
        return LookUp(fresh=not observed.settled)
    identity = identify(observed, observed.lookup)
    step: Step
    match identity:
        case Bound():
            step = _bound(observed, identity)
        case Unbound():
            step = _unbound(observed)
        case Missing() | Stranger() | Predecessors():
            step = _lost(identity)
        case _:
            step = identity
    # An older list may say that nothing is to do, and that the computes are to be looked at.
    enough = isinstance(step, ReadEndpoints) or (isinstance(step, Rest) and step.ready and not step.drift)
    return step if observed.lookup.fresh or enough else LookUp(fresh=True)


def _obstacle(observed: Observed) -> Rest | None:
    """What stands against a tenant for which nothing was made yet."""
    limits = granted(observed.tenant.spec, observed.tier, observed.namespace_labels)
    if isinstance(limits, Refusal):
        return _refused(limits)
    assert observed.tier is not None
    if refusal := refused_start(observed.tenant.spec, observed.tier, observed.older_tenants):
        return _refused(refusal)
    return _secret_taken(observed)


def _refused(refusal: Refusal) -> Rest:
    # A namespace's labels or another tenant may change without an event for this one.
    return Rest(refusal.reason, refusal.message, stalled=True, again=STALLED_AGAIN)


def _secret_taken(observed: Observed) -> Rest | None:
    name = observed.tenant.secret_name
    advice = (
        "It is left as it is. Delete it, or create this resource again with another connectionSecret.name."
    )
    match observed.secret:
        case Foreign():
            message = f"A Secret {name} exists that this operator did not write. {advice}"
            return Rest(Reason.SECRET_NOT_OURS, message, stalled=True, again=STALLED_AGAIN)
        case Conflict(owner):
            message = (
                f"The Secret {name} belongs to the TenantDatabase {owner or 'of another name'}. {advice}"
            )
            return Rest(Reason.SECRET_CONFLICT, message, stalled=True, again=STALLED_AGAIN)
        case _:
            return None


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
    if obstacle := _obstacle(observed):
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


def _bound(observed: Observed, bound: Bound) -> Step:
    """A project is ours.

    | # | observed | step |
    |---|---|---|
    | 1 | not held by our finalizer | AddFinalizer |
    | 1 | a project that was given up for it bears our name | RenameProject to the released name |
    | 1 | its name is not the marker | RenameProject |
    | 2 | a proven duplicate | DeleteProject |
    | 3 | operations pending, not due for a look | Wait |
    | 4 | operations pending and due; or none known of, and no Secret yet | ReadOperations |
    | 5 | an operation failed | Rest OperationFailed |
    | 6 | not settled, and Neon's list left out its settings | ReadProject |
    | 7 | quota, defaults or retention differ from the tier's, and are not only reported | UpdateProject |
    | 8 | not settled, or the computes may have changed; endpoints not read | ReadEndpoints |
    | 9 | an endpoint's size or suspend time differs, and is not only reported; or its disabled flag | \
    UpdateEndpoint |
    | 10 | the Secret's name is taken | Rest with the reason |
    | 11 | the login is not known where the Secret needs it | ReadConnection |
    | 12 | no Secret | CreateSecret |
    | 13 | the Secret differs | UpdateSecret; Rest SecretNotOurs where it is immutable |
    | 14 | refused by the tier, an immutable field, a suspect | Rest with the reason |
    | 15 | else | Rest Provisioned, Suspended, or QuotaExceeded; with the drift that is only reported |

    What differs although it was applied before (`Observed.held`) is drift: a person changed it past us.
    The name and the disabled flag are put back in any case: they are who owns it, and what the spec says.
    """
    limits = _wanted(observed, bound.project)
    return (
        _ownership(observed, bound)
        or _operations(observed, bound.project)
        or _limits(observed, bound.project, limits)
        or _endpoints(observed, bound.project, limits)
        or _secret(observed, bound.project)
        or _until_resolved(observed, _with_drift(observed, bound, limits))
    )


def _wanted(observed: Observed, project: Project) -> Limits | Refusal | None:
    """What the tenant is to get; None where all stays as it is, since no rollout has reached it."""
    if not observed.admitted and observed.settled:
        return None
    limits = granted(observed.tenant.spec, observed.tier, observed.namespace_labels)
    if observed.admitted or isinstance(limits, Refusal):
        return limits
    return held_back(limits, project, observed.tenant.spec.overrides)


def _ownership(observed: Observed, bound: Bound) -> Step | None:
    if not observed.tenant.has_finalizer:
        return AddFinalizer()
    if bound.released:
        return RenameProject(bound.released[0].id, observed.marker.released_name)
    if bound.project.name != observed.marker.project_name:
        name = observed.marker.project_name
        drift = (of_name(name, bound.project.name),) if observed.held else ()
        return RenameProject(bound.project.id, name, drift)
    if bound.duplicates:
        return DeleteProject(bound.duplicates[0].id, duplicate=True)
    return None


def _operations(observed: Observed, project: Project) -> Step | None:
    knowledge = observed.knowledge
    if knowledge.operations is None:
        # Found after a crash, before its Secret: the login works only once Neon's work is finished.
        return ReadOperations(project.id) if observed.tenant.status.binding is None else None
    if not knowledge.operations:
        return None
    if observed.now >= knowledge.poll_at:
        return ReadOperations(project.id)
    if knowledge.failed is not None:
        message = (
            f"Neon's operation {knowledge.failed.action} ({knowledge.failed.id}) failed. "
            "Look at the project's operations in Neon's console; Neon may still repeat it."
        )
        return Rest(Reason.OPERATION_FAILED, message, stalled=True, again=knowledge.poll_at - observed.now)
    new = observed.tenant.status.binding is None
    return Wait(
        Reason.PROVISIONING if new else _changing(observed),
        "Neon is creating the project." if new else "Neon is applying the change.",
        again=knowledge.poll_at - observed.now,
    )


def _changing(observed: Observed) -> Reason:
    resuming = observed.tenant.status.suspended and not observed.tenant.suspended
    return Reason.RESUMING if resuming else Reason.UPDATING


def _not_taken(observed: Observed) -> frozenset[str]:
    """Settings that Neon did not take when this tier was applied: asking again would never end."""
    applied, tier = observed.tenant.status.tier, observed.tier
    noted = (
        applied is not None
        and tier is not None
        and (applied.name, applied.generation) == (tier.name, tier.generation)
    )
    return observed.knowledge.not_taken | (frozenset(applied.not_taken) if noted and applied else frozenset())


def _limits(observed: Observed, project: Project, limits: Limits | Refusal | None) -> Step | None:
    if not isinstance(limits, Limits):
        return None  # what is applied stays
    if project.partial and not observed.settled:
        return ReadProject(project.id)
    differing = project_differences(limits, project) - _not_taken(observed)
    if not differing or _only_reports(observed):
        return None
    drift = of_project(limits, project, _not_taken(observed)) if observed.held else ()
    return UpdateProject(project.id, limits, differing, drift)


def _only_reports(observed: Observed) -> bool:
    """Whether what differs is drift, and the tier says to leave it."""
    tier = observed.tier
    return observed.held and tier is not None and tier.spec.drift_policy is DriftPolicy.REPORT


def _endpoints(observed: Observed, project: Project, limits: Limits | Refusal | None) -> Step | None:
    if observed.settled and not (observed.note.check_endpoints or observed.owed):
        return None
    if observed.endpoints is None:
        return ReadEndpoints(project.id)
    steps = (_endpoint(observed, project, endpoint, limits) for endpoint in observed.endpoints)
    return next((step for step in steps if step), None)


def _endpoint(
    observed: Observed, project: Project, endpoint: Endpoint, limits: Limits | Refusal | None
) -> UpdateEndpoint | None:
    """The one PATCH that an endpoint needs, with only what differs: a PATCH wakes an idle compute."""
    overridden = observed.tenant.spec.overrides is not None and observed.tenant.spec.overrides.compute
    own = observed.admitted or overridden
    wanted = limits.compute if isinstance(limits, Limits) and own else endpoint.compute
    differing = compute_differences(wanted, endpoint.compute) - _not_taken(observed)
    if _only_reports(observed):
        differing &= observed.owed
    differing -= waits(observed, endpoint, differing)
    disabled = observed.tenant.suspended if endpoint.disabled != observed.tenant.suspended else None
    if not differing and disabled is None:
        return None
    past_us = _not_taken(observed) | observed.owed
    drift = of_endpoint(wanted, endpoint, past_us) if differing and observed.held else ()
    return UpdateEndpoint(project.id, endpoint.id, wanted, differing, disabled, drift)


def _secret(observed: Observed, project: Project) -> Step | None:
    if taken := _secret_taken(observed):
        return taken
    tenant, secret = observed.tenant, observed.secret
    connection = observed.connection or observed.knowledge.connection
    if (
        connection is None
        and isinstance(secret, Ours)
        and secret.project_id == project.id
        and not tenant.thorough
    ):
        connection = secret.connection
    if connection is None:
        return ReadConnection(project.id)
    content = render(
        connection, tenant.secret_wishes, uid=tenant.uid, name=tenant.name, project_id=project.id
    )
    if isinstance(secret, Absent):
        return CreateSecret(content)
    assert isinstance(secret, (Ours, LeftBehind))
    if isinstance(secret, Ours) and not differs(content, secret.found):
        return None
    if secret.found.immutable:
        return Rest(
            Reason.SECRET_NOT_OURS,
            f"The Secret {tenant.secret_name} is immutable and out of date. Delete it: it is written again.",
            stalled=True,
            again=STALLED_AGAIN,
        )
    return UpdateSecret(content)


def _with_drift(observed: Observed, bound: Bound, limits: Limits | Refusal | None) -> Rest:
    verdict = _verdict(observed, bound, limits)
    if not verdict.ready or not isinstance(limits, Limits) or not _only_reports(observed):
        return verdict
    not_taken = _not_taken(observed)
    endpoints = (
        of_endpoint(limits.compute, endpoint, not_taken | observed.owed)
        for endpoint in observed.endpoints or ()
    )
    return replace(
        verdict, drift=(*of_project(limits, bound.project, not_taken), *chain.from_iterable(endpoints))
    )


def _verdict(observed: Observed, bound: Bound, limits: Limits | Refusal | None) -> Rest:
    tenant, project = observed.tenant, bound.project
    usage = core_usage.of_project(observed, project)
    standing = core_usage.standing(usage, core_usage.warning_percent(observed.tier))
    available = not tenant.suspended and not standing.suspending
    if changed := _immutable_changes(observed, project):
        message = (
            f"{changed} differs from the project's and cannot be changed. Put the old value back, or create "
            "another resource and move the data."
        )
        return Rest(Reason.IMMUTABLE_FIELD_CHANGED, message, available=available, stalled=True, applied=True)
    if isinstance(limits, Refusal):
        return replace(_refused(limits), available=available, applied=True)
    if bound.suspects:
        message = (
            f"{len(bound.suspects)} more project(s) bear this tenant's name without proof that they are its. "
            f"They are not touched; {project.id} is used. Look at them in Neon's console."
        )
        return Rest(Reason.DUPLICATE_PROJECT, message, available=available, stalled=True, again=STALLED_AGAIN)
    if tenant.suspended:
        message = (
            "Suspended by spec.state: every compute is disabled and logins are refused. The data is kept."
        )
        return Rest(Reason.SUSPENDED, message, ready=True, available=False, applied=True)
    if usage is not None and standing.exceeded:
        message = core_usage.exceeded_message(usage, standing)
        return Rest(Reason.QUOTA_EXCEEDED, message, ready=True, available=available, applied=True)
    assert observed.tier is not None
    later = isinstance(limits, Limits) and observed.admitted and waiting(observed, limits)
    return Rest(
        Reason.PROVISIONED,
        f"The project stands within tier {observed.tier.name}; the Secret {tenant.secret_name} logs in."
        + (" Its compute gets another size as soon as it is idle." if later else ""),
        ready=True,
        available=True,
        applied=True,
    )


def _until_resolved(observed: Observed, verdict: Rest) -> Rest:
    """While another POST may be under way, the verdict stands but a second look is due after it (rule 9)."""
    sighting = observed.knowledge.sighting
    if observed.intent_state is not IntentState.ALIVE or sighting is None:
        return verdict
    return replace(verdict, again=alive_until(sighting, observed.knowledge.attempt) - observed.now)


def _immutable_changes(observed: Observed, project: Project) -> str | None:
    """The API server refuses such a change; this is for those who went around it."""
    spec, status = observed.tenant.spec, observed.tenant.status
    if spec.region is not None and spec.region != project.region:
        return f"spec.region {spec.region}"
    if spec.postgres_version is not None and spec.postgres_version != project.postgres_version:
        return f"spec.postgresVersion {spec.postgres_version}"
    if status.database is not None and status.database != observed.tenant.database:
        return f"spec.database {observed.tenant.database}"
    return None
