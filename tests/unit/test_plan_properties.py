"""What no world may ever make the plan do, and that it comes to an end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import builders as a
from neon_tenants.api import names
from neon_tenants.core import plan
from neon_tenants.core.intent import IntentState, Sent
from neon_tenants.core.knowledge import Knowledge
from neon_tenants.core.marker import Certificate
from neon_tenants.core.observed import Lookup, Observed
from neon_tenants.core.project import ComputeSettings, Operation, Progress, Project
from neon_tenants.core.secret import (
    Absent,
    Conflict,
    Foreign,
    LeftBehind,
    Ours,
    SecretObject,
    SecretState,
    state_of,
)
from neon_tenants.core.steps import (
    AddFinalizer,
    CreateProject,
    CreateSecret,
    DeclareIntent,
    DeleteProject,
    Leave,
    LookUp,
    LookUpDeleted,
    OwnSecret,
    ReadCertificate,
    ReadConnection,
    ReadEndpoints,
    ReadOperations,
    ReadProject,
    ReadSecret,
    RemoveFinalizer,
    RenameProject,
    Rest,
    Step,
    UpdateEndpoint,
    UpdateProject,
    UpdateSecret,
    Wait,
)

NAMES = (
    a.MARKER.project_name,
    a.MARKER.released_name,
    a.PREDECESSOR.project_name,
    a.MARKER.project_name + "-copy",
    "my favourite database",
)
IDS = ("p-1", "p-2", "p-3")
CERTIFICATES = (
    a.certificate(),
    a.certificate(a.PREDECESSOR),
    a.certificate(replace(a.MARKER, namespace="others")),
    None,
)
COMPUTES = (a.LIMITS.compute, ComputeSettings(0.25, 2, 300), ComputeSettings(0.25, 0.25, 0))

ids = st.sampled_from(IDS)
projects = st.builds(
    a.project,
    ids,
    name=st.sampled_from(NAMES),
    created_at=st.sampled_from(("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")),
    quota=st.sampled_from((a.LIMITS.quota, None, replace(a.LIMITS.quota, written_data_bytes=1))),
    defaults=st.sampled_from((*COMPUTES, None)),
    retention_seconds=st.sampled_from((a.LIMITS.retention_seconds, 0, None)),
    complete=st.booleans(),
)
some_projects = st.lists(projects, max_size=3, unique_by=lambda p: p.id).map(tuple)
lookups = st.none() | st.builds(
    Lookup, some_projects, fresh=st.booleans(), recoverable=st.none() | some_projects
)
SECRETS: tuple[SecretState | None, ...] = (
    None,
    Absent(),
    Foreign(),
    Conflict("sibling"),
    LeftBehind(a.secret_object(uid=a.OTHER_UID)),
    *(a.ours(project_id=id_, immutable=True, data={"uri": "edited"}) for id_ in IDS),
    *(a.ours(project_id=id_, data={"uri": "edited"}) for id_ in IDS),
    *(a.ours(project_id=id_) for id_ in IDS),
    *(a.ours(project_id=id_, owner_uids=(a.UID,)) for id_ in IDS),
)
INTENTS: tuple[dict[str, str], ...] = (
    {},
    {names.INTENT: a.intent().encode()},
    {names.INTENT: "unknown form"},
)
attempts = st.none() | st.builds(
    a.attempt,
    started=st.sampled_from((a.NOW - 400, a.NOW - 200, a.NOW - 1)),
    sent=st.sampled_from(Sent),
)
knowledges = st.builds(
    Knowledge,
    sighting=st.none() | st.builds(a.sighting, since=st.sampled_from((a.NOW - 400, a.NOW - 1))),
    attempt=attempts,
    operations=st.sampled_from((None, (), ("op-1",))),
    poll_at=st.sampled_from((a.NOW - 1, a.NOW + 1)),
    failed=st.sampled_from((None, Operation("op-1", "create_timeline", Progress.FAILED))),
    not_taken=st.sampled_from((frozenset(), frozenset({"suspendAfter"}))),
    connection=st.sampled_from((None, a.CONNECTION)),
)
wishes = st.fixed_dictionaries(
    {},
    optional={
        names.PAUSED: st.just("true"),
        names.START_EMPTY: st.just("whatever"),
        names.RECONCILE_REQUESTED_AT: st.just("now"),
    },
)
SPECS = [
    {**state, **policy, **protection, **region}
    for state in ({}, {"state": "Suspended"})
    for policy in ({}, {"deletionPolicy": "Delete"}, {"deletionPolicy": "Retain"})
    for protection in ({}, {"deletionProtection": True})
    for region in ({}, {"region": "aws-eu-central-1"}, {"region": "mars-1"})
]
TENANTS = [
    a.tenant(spec, deleting=deleting, finalizers=finalizers)
    for spec in SPECS
    for deleting in (False, True)
    for finalizers in ((), (names.FINALIZER,))
]
UNREAD = (
    frozenset[str](),
    frozenset[str](),
    frozenset({"state"}),
    frozenset({"deletionProtection", "deletionPolicy"}),
)
STATUSES = [
    a.tenant().status,
    *(
        a.status(**facts, observed_generation=generation)
        for facts in ({}, {"project_id": "p-1"}, {"resolved_intent": "nonce-1"})
        for generation in (0, 1)
    ),
]
TIERS = (a.tier(), a.tier(generation=2), None)


@st.composite
def worlds(draw: st.DrawFn) -> Observed:
    """Any world, likely or not."""
    tenant = replace(
        draw(st.sampled_from(TENANTS)),
        annotations={**draw(wishes), **draw(st.sampled_from(INTENTS))},
        status=draw(st.sampled_from(STATUSES)),
        unread=draw(st.sampled_from(UNREAD)),
    )
    return a.observed(
        tenant=tenant,
        tier=draw(st.sampled_from(TIERS)),
        age=draw(st.sampled_from((1.0, 10_000.0))),
        secret=draw(st.sampled_from(SECRETS)),
        knowledge=draw(knowledges),
        lookup=draw(lookups),
        certificates=draw(st.dictionaries(ids, st.sampled_from(CERTIFICATES))),
        endpoints=draw(
            st.none()
            | st.lists(
                st.builds(
                    a.endpoint,
                    st.sampled_from(("ep-1", "ep-2")),
                    compute=st.sampled_from(COMPUTES),
                    disabled=st.booleans(),
                ),
                max_size=2,
                unique_by=lambda e: e.id,
            ).map(tuple)
        ),
        connection=draw(st.sampled_from((None, a.CONNECTION))),
    )


WRITES = (
    CreateProject,
    RenameProject,
    UpdateProject,
    UpdateEndpoint,
    DeleteProject,
    AddFinalizer,
    DeclareIntent,
    CreateSecret,
    UpdateSecret,
    OwnSecret,
    RemoveFinalizer,
)


def found(world: Observed, project_id: str) -> Project:
    assert world.lookup is not None
    project = world.lookup.find(project_id)
    assert project is not None
    return project


@pytest.mark.proves("F64", "F17")
@given(worlds())
def test_no_write_without_a_fresh_and_complete_look(world: Observed) -> None:
    if isinstance(plan.next_step(world), WRITES):
        assert world.lookup is not None
        assert world.lookup.fresh


@pytest.mark.proves("F64")
@given(worlds())
def test_a_paused_tenant_is_never_touched(world: Observed) -> None:
    if world.tenant.paused:
        assert not isinstance(plan.next_step(world), WRITES)


@pytest.mark.proves("F41", "F64")
@given(worlds())
def test_where_the_spec_is_not_understood_nothing_is_changed_and_nothing_deleted(world: Observed) -> None:
    if world.tenant.unread and not world.tenant.deleting:
        assert not isinstance(plan.next_step(world), WRITES)
    if world.tenant.unread & {"deletionPolicy", "deletionProtection"}:
        assert not isinstance(plan.next_step(world), DeleteProject)


@pytest.mark.proves("F64", "I3")
@given(worlds())
def test_while_a_deletion_is_held_no_project_is_made_or_deleted_and_the_resource_stays(
    world: Observed,
) -> None:
    if world.tenant.deleting and world.tenant.spec.deletion_protection and world.tenant.has_finalizer:
        step = plan.next_step(world)
        assert not isinstance(step, (DeclareIntent, CreateProject, DeleteProject, OwnSecret, RemoveFinalizer))


@pytest.mark.proves("F64", "I2")
@given(worlds())
def test_only_what_is_proven_to_be_ours_is_changed(world: Observed) -> None:
    step = plan.next_step(world)
    if not isinstance(step, (DeleteProject, RenameProject, UpdateProject, UpdateEndpoint)):
        return
    project = found(world, step.project_id)
    by_name = project.name == world.marker.project_name
    born = world.certificates.get(project.id)
    trusted = world.tenant.status.project_id or world.knowledge.created_id
    by_birth = project.id == trusted and born is not None and born.names_place_of(world.marker)
    assert by_name or by_birth


@pytest.mark.proves("F64", "I3")
@given(worlds())
def test_a_wanted_tenants_recorded_or_published_project_is_never_deleted(world: Observed) -> None:
    step = plan.next_step(world)
    if isinstance(step, DeleteProject) and not world.tenant.deleting:
        assert step.duplicate
        assert step.project_id != world.tenant.status.project_id
        assert world.secret is not None
        assert not (isinstance(world.secret, Ours) and world.secret.project_id == step.project_id)
        born = world.certificates[step.project_id]
        assert born == Certificate.of(world.marker)


@pytest.mark.proves("F64")
@given(worlds())
def test_a_deleted_tenants_project_goes_only_where_the_policy_says_so(world: Observed) -> None:
    step = plan.next_step(world)
    if isinstance(step, DeleteProject) and world.tenant.deleting:
        assert world.tenant.deletion_policy(world.tier).value == "Delete"
        assert not world.tenant.spec.deletion_protection


@pytest.mark.proves("F64", "I1")
@given(worlds())
def test_a_project_is_made_only_by_the_winner_and_only_where_none_is(world: Observed) -> None:
    step = plan.next_step(world)
    if isinstance(step, (CreateProject, DeclareIntent)):
        assert world.lookup is not None
        assert not any(p.name == world.marker.project_name for p in world.lookup.projects)
        assert world.tenant.status.project_id is None
        assert not world.tenant.deleting
        assert world.intent_state is not IntentState.ALIVE
    if isinstance(step, CreateProject):
        assert world.intent_state is IntentState.MINE
        assert world.tenant.has_finalizer


@pytest.mark.proves("F64")
@given(worlds())
def test_somebody_elses_secret_is_never_written(world: Observed) -> None:
    step = plan.next_step(world)
    if isinstance(step, CreateSecret):
        assert isinstance(world.secret, Absent)
    if isinstance(step, (UpdateSecret, OwnSecret)):
        assert isinstance(world.secret, (Ours, LeftBehind))


@pytest.mark.proves("F64")
@given(worlds())
def test_the_resource_goes_only_when_nothing_of_it_is_left(world: Observed) -> None:
    step = plan.next_step(world)
    if isinstance(step, RemoveFinalizer):
        assert world.tenant.deleting
        assert world.lookup is not None
        assert not any(p.name == world.marker.project_name for p in world.lookup.projects)
        assert world.intent_state is not IntentState.ALIVE


@pytest.mark.proves("F64")
@given(worlds(), ids)
def test_who_only_follows_its_tier_needs_no_secret_or_it_is_read(world: Observed, project_id: str) -> None:
    tenant = a.tenant(status=a.status(project_id=project_id))
    follows = replace(world, tenant=tenant, tier=a.tier(generation=2), secret=None)
    assert follows.only_follows
    step = plan.next_step(follows)
    if not isinstance(step, ReadSecret):
        assert step == plan.next_step(replace(follows, secret=a.ours(project_id=project_id)))


@pytest.mark.proves("F64")
@given(worlds())
def test_everybody_elses_secret_is_read_first(world: Observed) -> None:
    unread = replace(world, secret=None)
    assert unread.only_follows or plan.next_step(unread) == ReadSecret()


def performed(  # noqa: C901, PLR0911, PLR0912
    step: Step, world: Observed, neon: dict[str, Project], secret: SecretState
) -> Observed:
    """What the world is after a step that succeeds, in a Neon that does as it is told at once."""
    listed = tuple(neon.values())
    match step:
        case ReadSecret():
            return replace(world, secret=secret)
        case LookUp(fresh):
            return replace(world, lookup=Lookup(listed, fresh=fresh))
        case LookUpDeleted():
            assert world.lookup is not None
            return replace(world, lookup=replace(world.lookup, recoverable=()))
        case ReadCertificate(project_id):
            return replace(world, certificates={**world.certificates, project_id: a.certificate()})
        case ReadProject(project_id):
            complete = replace(
                neon[project_id], complete=True, quota=neon[project_id].quota or a.LIMITS.quota
            )
            return with_project(world, neon, complete)
        case ReadEndpoints():
            return replace(world, endpoints=(a.endpoint(),))
        case ReadOperations():
            return knowing(world, operations=(), failed=None)
        case ReadConnection():
            return replace(world, connection=a.CONNECTION)
        case DeclareIntent():
            tenant = replace(
                world.tenant,
                finalizers=(names.FINALIZER,),
                annotations={**world.tenant.annotations, names.INTENT: a.intent("mine").encode()},
            )
            return knowing(
                replace(world, tenant=tenant),
                attempt=a.attempt("mine", started=world.now),
                sighting=a.sighting("mine", since=world.now),
            )
        case CreateProject(limits):
            made = a.project("made-1", quota=limits.quota, defaults=limits.compute)
            assert world.knowledge.attempt is not None
            world = knowing(
                world,
                attempt=replace(world.knowledge.attempt, sent=Sent.DONE),
                created=made,
                connection=a.CONNECTION,
                operations=(),
            )
            return replace(with_project(world, neon, made), endpoints=(a.endpoint(),))
        case RenameProject(project_id, name):
            world = with_project(world, neon, replace(neon[project_id], name=name))
            return replace(world, lookup=None) if world.tenant.deleting else world
        case UpdateProject(project_id, limits):
            held = a.project(
                project_id, name=neon[project_id].name, quota=limits.quota, defaults=limits.compute
            )
            return with_project(world, neon, held)
        case UpdateEndpoint(_, endpoint_id, compute, _, disabled):
            changed = tuple(
                replace(e, compute=compute, disabled=e.disabled if disabled is None else disabled)
                if e.id == endpoint_id
                else e
                for e in world.endpoints or ()
            )
            return replace(world, endpoints=changed)
        case DeleteProject(project_id):
            del neon[project_id]
            return replace(world, lookup=None)
        case CreateSecret(content) | UpdateSecret(content):
            written = a.secret_object(
                data=content.data, annotations=content.annotations, labels=content.labels
            )
            return replace(world, secret=state_of(written, uid=a.UID, name="acme"))
        case OwnSecret():
            assert isinstance(world.secret, Ours)
            owned: SecretObject = replace(world.secret.found, owner_uids=(a.UID,))
            return replace(world, secret=state_of(owned, uid=a.UID, name="acme"))
        case AddFinalizer():
            return replace(world, tenant=replace(world.tenant, finalizers=(names.FINALIZER,)))
        case RemoveFinalizer():
            return replace(world, tenant=replace(world.tenant, finalizers=()))
        case _:
            raise AssertionError(step)


def knowing(world: Observed, **changes: Any) -> Observed:
    return replace(world, knowledge=replace(world.knowledge, **changes))


def with_project(world: Observed, neon: dict[str, Project], project: Project) -> Observed:
    neon[project.id] = project
    assert world.lookup is not None
    return replace(world, lookup=world.lookup.with_project(project))


@pytest.mark.proves("F64", "I1", "I10")
@given(worlds(), st.sampled_from([secret for secret in SECRETS if secret is not None]))
def test_from_any_world_the_plan_comes_to_rest_in_a_few_steps(world: Observed, secret: SecretState) -> None:
    neon = {p.id: p for p in (world.lookup.projects if world.lookup else ())}
    created = 0
    released = False
    for _ in range(25):
        step = plan.next_step(world)
        if isinstance(step, (Rest, Wait, Leave)):
            break
        created += isinstance(step, CreateProject)
        released |= isinstance(step, RemoveFinalizer)
        world = performed(step, world, neon, secret)
    else:
        pytest.fail(f"still at {step}")
    assert created <= 1
    if isinstance(step, Rest) and step.ready:
        ours = [p for p in neon.values() if p.name == a.MARKER.project_name]
        assert len(ours) == 1
    if released:
        assert not any(p.name == a.MARKER.project_name for p in neon.values())
