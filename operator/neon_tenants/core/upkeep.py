"""The part of the plan for a tenant whose project stands: held to its tier, told in its Secret."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

from neon_tenants.api.conditions import Reason
from neon_tenants.api.database_tier import DriftPolicy
from neon_tenants.core import usage as core_usage
from neon_tenants.core.difference import of_endpoint, of_name, of_project
from neon_tenants.core.entitlement import Refusal
from neon_tenants.core.harm import held_back
from neon_tenants.core.identity import Bound
from neon_tenants.core.intent import IntentState, alive_until
from neon_tenants.core.observed import Observed
from neon_tenants.core.obstacle import STALLED_AGAIN, entitled, refused, secret_taken
from neon_tenants.core.project import (
    Endpoint,
    Limits,
    Project,
    compute_differences,
    project_differences,
)
from neon_tenants.core.resize import waiting, waits
from neon_tenants.core.secret import Absent, LeftBehind, Ours, differs, render
from neon_tenants.core.steps import (
    AddFinalizer,
    CreateSecret,
    DeleteProject,
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


def next_step(observed: Observed, bound: Bound) -> Step:
    """What to do next for a tenant whose project stands. The first row that applies decides.

    | # | observed | step |
    |---|---|---|
    | 1a | not held by our finalizer | AddFinalizer |
    | 1b | a project that was given up for it bears our name | RenameProject to the released name |
    | 1c | its name is not the marker | RenameProject |
    | 2 | a proven duplicate | DeleteProject |
    | 3 | operations pending, not due for a look | Wait |
    | 4 | operations pending and due; or none known of, and no Secret yet | ReadOperations |
    | 5 | an operation failed | Rest OperationFailed |
    | 6 | not settled, and Neon's list left out its settings | ReadProject |
    | 7 | quota, defaults or retention differ from the tier's, and are not only reported | UpdateProject |
    | 8 | not settled, or the computes may have changed; endpoints not read | ReadEndpoints |
    | 9 | an endpoint's size or suspend time differs, and is not only reported; or its disabled flag | \
    UpdateEndpoint |
    | | rows 10 to 13 only where the Secret was read, since nothing but the tier is to be followed else | |
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
    if not observed.admitted and observed.applied:
        return None
    limits = entitled(observed)
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
    duplicates = (project.id for project in bound.duplicates if project.id not in observed.let_go)
    if duplicate := next(duplicates, None):
        return DeleteProject(duplicate, duplicate=True)
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


def _limits(observed: Observed, project: Project, limits: Limits | Refusal | None) -> Step | None:
    if not isinstance(limits, Limits):
        return None  # what is applied stays
    if project.partial and not observed.settled:
        return ReadProject(project.id)
    differing = project_differences(limits, project) - observed.not_taken
    if not differing or _only_reports(observed):
        return None
    drift = of_project(limits, project, observed.not_taken) if observed.held else ()
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
    differing = compute_differences(wanted, endpoint.compute) - observed.not_taken
    if _only_reports(observed):
        differing &= observed.owed
    differing -= waits(observed, endpoint, differing)
    disabled = observed.tenant.suspended if endpoint.disabled != observed.tenant.suspended else None
    if not differing and disabled is None:
        return None
    past_us = observed.not_taken | observed.owed
    drift = of_endpoint(wanted, endpoint, past_us) if differing and observed.held else ()
    return UpdateEndpoint(project.id, endpoint.id, wanted, differing, disabled, drift)


def _secret(observed: Observed, project: Project) -> Step | None:
    if observed.secret is None:
        return None
    if taken := secret_taken(observed):
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
            # Where only labels or keys of the tenant's own are out of date, the login in it still works.
            available=None if isinstance(secret, Ours) and secret.connection == connection else False,
            stalled=True,
            again=STALLED_AGAIN,
        )
    return UpdateSecret(content)


def _with_drift(observed: Observed, bound: Bound, limits: Limits | Refusal | None) -> Rest:
    verdict = _verdict(observed, bound, limits)
    if not verdict.ready or not isinstance(limits, Limits) or not _only_reports(observed):
        return verdict
    not_taken = observed.not_taken
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
        return replace(refused(limits), available=available, applied=True)
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
