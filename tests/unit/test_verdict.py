"""The judge counts what is there: from tiny evidence in which nothing is wrong, and then one thing is."""

from __future__ import annotations

import ast
import base64
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import verdict
from verdict import NoEvidenceError, Verdict, judge
from verdict.__main__ import main
from verdict.judgement import COUNTS
from verdict.names import marker, owner

UID = "8c1f5f0e-1d2c-4b3a-9a4e-0123456789ab"
OTHER_UID = "11111111-2222-4333-8444-555555555555"
OPERATOR = "system:serviceaccount:neon-tenant-operator:neon-tenant-operator"
PERSON = "kubernetes-admin"
AGENT = "neon-tenant-operator/0.1.0"
CONSOLE = "python-httpx/0.28"
NAMESPACE = "tenants"
NAME = marker("prod", NAMESPACE, "acme", UID)
OLD_NAME = marker("prod", NAMESPACE, "acme", OTHER_UID)
RELEASED = NAME.rpartition("-")[0] + "-released"
PASSWORD = "npg_Canary123456"
BEGIN = 1_700_000_000.0

Change = Callable[["Run"], None]


@dataclass
class Run:
    """Evidence in the making. Each thing takes ten seconds of its own, unless it says when."""

    folder: Path
    now: float = BEGIN
    version: int = 100
    audit: list[dict[str, Any]] = field(default_factory=list)
    effects: list[dict[str, Any]] = field(default_factory=list)
    probes: list[dict[str, Any]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    log: str = '{"message": "all is well"}\n'
    spec: dict[str, Any] = field(default_factory=lambda: {"tier": "free", "deletionPolicy": "Delete"})

    def tick(self) -> float:
        self.now += 10
        return self.now

    def write(
        self,
        resource: str,
        verb: str,
        user: str,
        body: dict[str, Any] | None,
        name: str = "acme",
        **more: Any,
    ) -> None:
        at = self.tick()
        self.audit.append(
            {
                "verb": verb,
                "user": {"username": user},
                "requestURI": f"/x/{resource}",
                "requestReceivedTimestamp": _stamp(at - 0.1),
                "stageTimestamp": _stamp(at),
                "objectRef": {
                    "resource": resource,
                    "namespace": NAMESPACE,
                    "name": name,
                    **({} if resource == "secrets" else {"apiGroup": "neontenants.io"}),
                },
                "responseStatus": {"code": 200},
                "responseObject": body,
                **more,
            }
        )

    def tenant(self, verb: str = "patch", user: str = OPERATOR, **changes: Any) -> None:
        """A write to the resource; see `tenant_body`."""
        self.version += 1
        self.write("tenantdatabases", verb, user, tenant_body(self, **changes))

    def neon(self, event: str, project: str = "p1", by: str = AGENT, **fields: Any) -> None:
        self.effects.append({"at": self.tick(), "event": event, "by": by, "project": project, **fields})

    def created(self, project: str = "p1", name: str = NAME, uid: str = UID, by: str = AGENT) -> None:
        certificate = {"cluster": "prod", "namespace": NAMESPACE, "name": "acme", "uid": uid}
        annotations = {f"neontenants.io/{key}": value for key, value in certificate.items()}
        self.neon("project_created", project, by, name=name, annotations=annotations)

    def probe(self, outcome: str, *, sqlstate: str = "", project: str = "p1") -> None:
        application = f"probe-{len(self.probes)}"
        began = self.tick()
        self.effects.append(
            {
                "at": began + 0.5,
                "event": "login",
                "by": "",
                "project": project,
                "application": application,
                "accepted": outcome == "accepted",
                "sqlstate": sqlstate,
            }
        )
        names = {"namespace": NAMESPACE, "name": "acme", "uid": UID, "secret": "acme-database"}
        self.probes.append(
            {"began": began, "ended": began + 1, "application": application, "outcome": outcome, **names}
        )

    def lay(self) -> Path:
        """Writes the folder."""
        about = {"cluster": "prod", "namespace": NAMESPACE, "operator": OPERATOR, "audit_begin": 0}
        (self.folder / "about.json").write_text(json.dumps(about))
        (self.folder / "canaries").write_text(f"napi_key1234\n{PASSWORD}\n")
        (self.folder / "operator-0.log").write_text(self.log)
        for name, lines in {
            "audit.log": self.audit,
            "neon.jsonl": self.effects,
            "probes.jsonl": self.probes,
            "faults.jsonl": self.faults,
        }.items():
            (self.folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
        return self.folder

    def judged(self) -> Verdict:
        return judge(self.lay())

    # --- parts of a life ---------------------------------------------------------------------------

    def declared(self) -> None:
        """Made by a person, and declared by the operator."""
        self.tenant("create", PERSON, finalizers=[], ready=("Unknown", "Pending"), observed=-1)
        self.tenant(finalizers=[FINALIZER], ready=("Unknown", "Pending"), observed=-1, intent=True)

    def gone(self) -> None:
        """Deleted at once. The answer of such a DELETE is a Status."""
        self.write("tenantdatabases", "delete", PERSON, {"kind": "Status", "details": {"uid": UID}})

    def provisioned(self) -> None:
        self.declared()
        self.created()
        self.write("secrets", "create", OPERATOR, None, "acme-database")
        self.tenant(finalizers=[FINALIZER], ready=("True", "Provisioned"), available="True", project="p1")

    def marked(self, **changes: Any) -> None:
        kept = {
            "finalizers": [FINALIZER],
            "ready": ("True", "Provisioned"),
            "available": "True",
            "project": "p1",
        }
        self.tenant("delete", PERSON, **{**kept, "deleting": True, **changes})

    def released(self, **changes: Any) -> None:
        self.tenant(finalizers=[], ready=("False", "Deleting"), project="p1", deleting=True, **changes)


FINALIZER = "neontenants.io/project"


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def tenant_body(
    run: Run,
    *,
    finalizers: list[str],
    ready: tuple[str, str],
    available: str = "False",
    observed: int = 1,
    project: str | None = None,
    deleting: bool = False,
    stalled: bool = False,
    intent: bool = False,
    uid: str = UID,
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    status, reason = ready
    story = [] if status == "True" else ["Stalled" if stalled else "Reconciling"]
    conditions = [{"type": "Ready", "status": status, "reason": reason}]
    conditions += [{"type": "Available", "status": available, "reason": reason}]
    conditions += [{"type": kind, "status": "True", "reason": reason} for kind in story]
    intents = {"neontenants.io/create-intent": "v1:{}"} if intent else {}
    return {
        "kind": "TenantDatabase",
        "metadata": {
            "uid": uid,
            "namespace": NAMESPACE,
            "name": "acme",
            "resourceVersion": str(run.version),
            "generation": 1,
            "finalizers": finalizers,
            "annotations": {**intents, **(annotations or {})},
            **({"deletionTimestamp": _stamp(run.now)} if deleting else {}),
        },
        "spec": run.spec,
        "status": {
            "observedGeneration": observed,
            "conditions": conditions,
            **({"projectId": project} if project else {}),
        },
    }


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


# --- nothing is wrong ----------------------------------------------------------------------------------


def whole_life(run: Run) -> None:
    run.provisioned()
    run.probe("accepted")
    run.marked()
    run.neon("project_deleted", name=NAME)
    run.released()


def a_duplicate_is_removed(run: Run) -> None:
    """Somebody else made it: the operator's own second create would be counted."""
    run.provisioned()
    run.created("p2", by=CONSOLE)
    run.neon("project_deleted", "p2", name=NAME)


def a_retained_project_is_released(run: Run) -> None:
    run.spec["deletionPolicy"] = "Retain"
    run.provisioned()
    run.marked()
    run.neon("project_renamed", before=NAME, name=RELEASED)
    run.released()


def a_name_changed_by_hand_is_given_back(run: Run) -> None:
    run.provisioned()
    run.neon("project_renamed", by=CONSOLE, before=NAME, name="mine")
    run.neon("project_renamed", before="mine", name=NAME)


def a_person_deletes_the_project(run: Run) -> None:
    run.provisioned()
    run.neon("project_deleted", by=CONSOLE, name=NAME)
    run.probe("refused", sqlstate="XX000")


def a_person_edits_the_secret(run: Run) -> None:
    run.provisioned()
    run.write("secrets", "patch", PERSON, None, "acme-database")
    run.probe("refused", sqlstate="28P01")


def a_person_takes_the_finalizer(run: Run) -> None:
    run.provisioned()
    run.tenant("patch", PERSON, finalizers=[], ready=("True", "Provisioned"), project="p1")
    run.marked(finalizers=[])


def a_resource_that_vanishes_takes_its_project_along(run: Run) -> None:
    """A DELETE that raced with the finalizer."""
    run.declared()
    run.gone()
    run.created()
    run.neon("project_deleted", name=NAME)


def a_refused_login_of_a_tenant_that_says_so(run: Run) -> None:
    run.provisioned()
    run.tenant(finalizers=[FINALIZER], ready=("True", "Suspended"), available="False", project="p1")
    run.probe("refused", sqlstate="XX000")


def a_login_that_nobody_answered(run: Run) -> None:
    run.provisioned()
    run.probe("unanswered")
    run.effects.pop()


def an_orphan_is_deleted_by_order(run: Run) -> None:
    run.spec["deletionPolicy"] = "Retain"
    run.provisioned()
    run.marked()
    run.neon("project_renamed", before=NAME, name=RELEASED)
    run.released()
    order = {"kind": "FleetOperation", "spec": {"operation": "DeleteOrphans", "targets": ["p1=released"]}}
    run.write("fleetoperations", "create", PERSON, order, "clean")
    run.neon("project_deleted", name=RELEASED)


def an_empty_start_is_asked_for(run: Run) -> None:
    run.created("p0", name=OLD_NAME, uid=OTHER_UID, by=CONSOLE)
    run.tenant(
        "create",
        PERSON,
        finalizers=[FINALIZER],
        ready=("Unknown", "Pending"),
        annotations={"neontenants.io/start-empty": "token"},
    )
    run.created()


def an_earlier_project_is_bound_again_and_then_deleted(run: Run) -> None:
    """Its earlier resource, whose finalizer somebody took away, never wanted it deleted."""
    kept: dict[str, Any] = {"ready": ("True", "Provisioned"), "available": "True", "project": "p1"}
    run.tenant("create", PERSON, finalizers=[FINALIZER], ready=("Unknown", "Pending"), uid=OTHER_UID)
    run.created(name=OLD_NAME, uid=OTHER_UID)
    run.tenant(finalizers=[FINALIZER], uid=OTHER_UID, **kept)
    run.tenant("patch", PERSON, finalizers=[], uid=OTHER_UID, **kept)
    run.write("tenantdatabases", "delete", PERSON, {"kind": "Status", "details": {"uid": OTHER_UID}})
    run.tenant("create", PERSON, finalizers=[], ready=("Unknown", "Pending"))
    run.tenant(finalizers=[FINALIZER], **kept)
    run.neon("project_renamed", before=OLD_NAME, name=NAME)
    run.marked()
    run.neon("project_deleted", name=NAME)
    run.released()


WELL: dict[str, Change] = {
    "an earlier project is bound again and then deleted": an_earlier_project_is_bound_again_and_then_deleted,
    "nothing at all": lambda _: None,
    "a whole life": whole_life,
    "a duplicate is removed": a_duplicate_is_removed,
    "a retained project is released": a_retained_project_is_released,
    "a name changed by hand is given back": a_name_changed_by_hand_is_given_back,
    "a person deletes the project": a_person_deletes_the_project,
    "a person edits the Secret": a_person_edits_the_secret,
    "a person takes the finalizer away": a_person_takes_the_finalizer,
    "a resource vanishes": a_resource_that_vanishes_takes_its_project_along,
    "a refused login of a tenant that says so": a_refused_login_of_a_tenant_that_says_so,
    "a login that nobody answered": a_login_that_nobody_answered,
    "an orphan is deleted by order": an_orphan_is_deleted_by_order,
    "an empty start is asked for": an_empty_start_is_asked_for,
}


@pytest.mark.parametrize("change", WELL.values(), ids=WELL.keys())
def test_where_nothing_is_wrong_every_count_is_zero(run: Run, change: Change) -> None:
    change(run)
    found = run.judged()
    assert found.problems == []
    assert found.ok


# --- one thing is wrong ----------------------------------------------------------------------------------


def leaked(run: Run) -> None:
    run.provisioned()
    run.marked()
    run.released()


def leaked_by_the_tiers_policy(run: Run) -> None:
    del run.spec["deletionPolicy"]
    tier = {
        "kind": "DatabaseTier",
        "metadata": {"uid": "t", "name": "free", "resourceVersion": "1", "generation": 1},
        "spec": {"deletionPolicy": "Delete"},
    }
    run.write("databasetiers", "create", PERSON, tier, "free")
    leaked(run)


def leaked_without_a_finalizer(run: Run) -> None:
    run.tenant("create", PERSON, finalizers=[], ready=("Unknown", "Pending"))
    run.gone()
    run.created()


def leaked_by_a_resource_that_vanished(run: Run) -> None:
    run.declared()
    run.gone()
    run.created()


def leaked_with_its_namespace(run: Run) -> None:
    run.tenant("create", PERSON, finalizers=[], ready=("Unknown", "Pending"))
    body = {"kind": "TenantDatabaseList", "items": [run.audit[-1]["responseObject"]]}
    run.write("tenantdatabases", "deletecollection", "system:kube-controller-manager", body)
    run.created()


def doubled_creates(run: Run) -> None:
    run.provisioned()
    run.neon("project_deleted", by=CONSOLE, name=NAME)
    run.created("p2")


def doubled_lives(run: Run) -> None:
    run.provisioned()
    run.created("p2", name="mine", uid=OTHER_UID, by=CONSOLE)
    run.tenant(finalizers=[FINALIZER], ready=("True", "Provisioned"), available="True", project="p2")
    run.neon("project_renamed", "p2", before="mine", name=NAME)


def deleted_while_wanted(run: Run) -> None:
    run.provisioned()
    run.neon("project_deleted", name=NAME)


def deleted_though_retained(run: Run) -> None:
    run.spec["deletionPolicy"] = "Retain"
    whole_life(run)


def deleted_though_protected(run: Run) -> None:
    run.spec["deletionProtection"] = True
    whole_life(run)


def deleted_unrecorded_and_alone(run: Run) -> None:
    run.declared()
    run.tenant(finalizers=[FINALIZER], ready=("False", "OutcomeUnknown"))
    run.created()
    run.neon("project_deleted", name=NAME)


def deleted_though_to_be_retained_when_it_vanished(run: Run) -> None:
    run.spec["deletionPolicy"] = "Retain"
    a_resource_that_vanishes_takes_its_project_along(run)


def deleted_though_told_before_it_vanished(run: Run) -> None:
    run.provisioned()
    run.gone()
    run.neon("project_deleted", name=NAME)


def deleted_before_it_vanished(run: Run) -> None:
    run.declared()
    run.created()
    run.neon("project_deleted", name=NAME)
    run.gone()


def recorded_deleted_beside_a_twin(run: Run) -> None:
    """The one that is recorded wins, and must not be the one that goes."""
    run.provisioned()
    run.created("p2", by=CONSOLE)
    run.neon("project_deleted", "p1", name=NAME)


def stranger_renamed(run: Run) -> None:
    run.provisioned()
    run.created("p9", name="a bystander", by=CONSOLE, uid=OTHER_UID)
    run.neon("project_renamed", "p9", before="a bystander", name=RELEASED)


def stranger_in_status_deleted(run: Run) -> None:
    """Recorded by a forged status, but its birth certificate names nobody."""
    run.declared()
    run.neon("project_created", "p9", CONSOLE, name="a bystander", annotations={})
    run.tenant("patch", PERSON, finalizers=[FINALIZER], ready=("False", "NotOurs"), project="p9")
    run.marked(project="p9")
    run.neon("project_deleted", "p9", name="a bystander")
    run.released()


def replaced(run: Run) -> None:
    run.created("p0", name=OLD_NAME, uid=OTHER_UID, by=CONSOLE)
    run.declared()
    run.created()


def refused_while_available(run: Run) -> None:
    run.provisioned()
    run.probe("refused", sqlstate="28P01")


def led_to_another_project(run: Run) -> None:
    run.provisioned()
    run.probe("accepted", project="p2")


def reset(run: Run) -> None:
    run.provisioned()
    run.neon("password_reset", branch="b", role="app_owner")


def overwrote(run: Run) -> None:
    run.write("secrets", "create", PERSON, None, "theirs")
    run.write("secrets", "update", OPERATOR, None, "theirs")


def seen_in_a_log(run: Run) -> None:
    run.log += f'{{"message": "{PASSWORD}"}}\n'


def seen_in_base64(run: Run) -> None:
    uri = f"postgresql://app_owner:{PASSWORD}@127.0.0.1/app"
    run.log += f'{{"message": "{base64.b64encode(uri.encode()).decode()}"}}\n'


def seen_in_a_status(run: Run) -> None:
    run.provisioned()
    run.audit[-1]["responseObject"]["status"]["note"] = PASSWORD


def not_observed(run: Run) -> None:
    run.declared()


def no_story(run: Run) -> None:
    run.provisioned()
    run.audit[-1]["responseObject"]["status"]["conditions"].append(
        {"type": "Stalled", "status": "True", "reason": "NotOurs"}
    )


def deleting_for_ever(run: Run) -> None:
    run.provisioned()
    run.tenant(finalizers=[FINALIZER], ready=("False", "Deleting"), project="p1", deleting=True)


def a_word_of_its_own(run: Run) -> None:
    run.provisioned()
    run.tenant(finalizers=[FINALIZER], ready=("True", "Wonderful"), project="p1")


WRONG: dict[str, tuple[Change, set[str]]] = {
    "a resource went, its project stayed": (leaked, {"leaked"}),
    "likewise, by the policy of its tier": (leaked_by_the_tiers_policy, {"leaked"}),
    "a create without a finalizer": (leaked_without_a_finalizer, {"leaked"}),
    "a create whose resource vanished": (leaked_by_a_resource_that_vanished, {"leaked"}),
    "a namespace went with all in it": (leaked_with_its_namespace, {"leaked"}),
    "two creates for one resource": (doubled_creates, {"doubled"}),
    "two projects of one name": (doubled_lives, {"doubled", "doubled_at_rest"}),
    "deleted while wanted": (deleted_while_wanted, {"deleted_against_spec"}),
    "deleted though retained": (deleted_though_retained, {"deleted_against_spec"}),
    "deleted though protected": (deleted_though_protected, {"deleted_against_spec"}),
    "an unrecorded one deleted, and no other there": (deleted_unrecorded_and_alone, {"deleted_against_spec"}),
    "deleted though retained, of one that vanished": (
        deleted_though_to_be_retained_when_it_vanished,
        {"deleted_against_spec"},
    ),
    "deleted though recorded, of one that vanished": (
        deleted_though_told_before_it_vanished,
        {"deleted_against_spec"},
    ),
    "deleted before its resource vanished": (deleted_before_it_vanished, {"deleted_against_spec"}),
    "the recorded one deleted as a duplicate": (recorded_deleted_beside_a_twin, {"deleted_against_spec"}),
    "a stranger renamed": (stranger_renamed, {"touched_not_ours"}),
    "a stranger in a forged status deleted": (stranger_in_status_deleted, {"touched_not_ours"}),
    "an earlier project replaced": (replaced, {"replaced", "unsettled"}),
    "refused while Available": (refused_while_available, {"available_untrue"}),
    "a login to another's project": (led_to_another_project, {"available_untrue"}),
    "a password reset": (reset, {"passwords_reset"}),
    "another's Secret overwritten": (overwrote, {"secrets_overwritten"}),
    "a password in a log": (seen_in_a_log, {"secrets_seen"}),
    "a login in a log, in base64": (seen_in_base64, {"secrets_seen"}),
    "a password in a status": (seen_in_a_status, {"secrets_seen"}),
    "a generation that nobody observed": (not_observed, {"unsettled"}),
    "two stories": (no_story, {"unsettled"}),
    "a deletion that says nothing": (deleting_for_ever, {"unsettled"}),
    "a reason that no page explains": (a_word_of_its_own, {"undocumented_reasons"}),
}


@pytest.mark.parametrize(("change", "counts"), WRONG.values(), ids=WRONG.keys())
def test_one_thing_that_is_wrong_is_counted_once_and_as_nothing_else(
    run: Run, change: Change, counts: set[str]
) -> None:
    change(run)
    found = run.judged()
    expected = {name: 1 if name in counts else 0 for name in COUNTS}
    if change is a_word_of_its_own:
        expected["undocumented_reasons"] = 2  # in Ready and in Available
    assert dict(found.counts) == expected, found.problems
    assert len(found.problems) == sum(expected.values())


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (a_duplicate_is_removed, "duplicates removed"),
        (a_person_takes_the_finalizer, "left by others' hands"),
    ],
)
def test_what_is_excused_is_told_among_the_facts(run: Run, change: Change, fact: str) -> None:
    change(run)
    assert run.judged().facts[fact] == 1


@pytest.mark.parametrize("wrong", [deleted_while_wanted, recorded_deleted_beside_a_twin])
def test_a_recorded_project_is_no_duplicate(run: Run, wrong: Change) -> None:
    wrong(run)
    assert run.judged().facts["duplicates removed"] == 0


def test_every_count_has_a_case() -> None:
    assert set().union(*(counts for _, counts in WRONG.values())) == set(COUNTS)


def test_what_counts_only_at_rest_does_not_count_in_the_middle(run: Run) -> None:
    leaked(run)
    assert judge(run.lay(), at_rest=False).ok


def test_a_spec_that_changed_just_before_excuses_who_had_read_it(run: Run) -> None:
    run.provisioned()
    run.marked()
    run.spec = {**run.spec, "deletionPolicy": "Retain"}
    run.marked()
    run.effects.append(
        {"at": run.now + 1, "event": "project_deleted", "by": AGENT, "project": "p1", "name": NAME}
    )
    run.released()
    assert run.judged().ok
    run.effects[-1]["at"] = run.now + 60
    run.now += 100
    run.released()
    assert run.judged().counts["deleted_against_spec"] == 1


# --- the report --------------------------------------------------------------------------------------------


def test_states_and_faults_are_told_and_several_runs_are_one(tmp_path: Path) -> None:
    verdicts = []
    for number in range(2):
        run = Run(tmp_path / str(number))
        run.folder.mkdir()
        whole_life(run)
        run.faults.append(
            {"at": 1, "wire": "kube", "number": 3, "request": "POST secrets", "mode": "answer lost"}
        )
        verdicts.append(run.judged())
    total = Verdict.total(verdicts)
    assert total.faults == {"kube: answer lost": 2}
    assert total.states == verdicts[0].states
    assert len(total.states) == 5
    assert total.facts["resources"] == 2
    assert total.ok
    assert Verdict.of(json.loads(json.dumps(total.data()))) == total


def test_the_program_prints_a_table_and_a_line_of_json(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    leaked(run)
    assert main([str(run.lay())]) == 1
    lines = capsys.readouterr().out.splitlines()
    told = json.loads(lines[-1])
    assert told["counts"]["leaked"] == 1
    assert any(line.split() == ["leaked", "1"] for line in lines)
    assert any("p1 lives" in line for line in lines)


def test_the_program_is_content_where_every_zero_is_one(run: Run) -> None:
    whole_life(run)
    assert main([str(run.lay())]) == 0


@pytest.mark.parametrize("missing", ["about.json", "audit.log", "neon.jsonl", "canaries"])
def test_missing_evidence_is_no_zero(run: Run, missing: str) -> None:
    (run.lay() / missing).unlink()
    with pytest.raises(NoEvidenceError, match=missing):
        judge(run.folder)
    assert main([str(run.folder)]) == 2


def test_an_empty_file_of_canaries_is_no_zero(run: Run) -> None:
    (run.lay() / "canaries").write_text("")
    with pytest.raises(NoEvidenceError, match="canaries"):
        judge(run.folder)


def test_other_namespaces_are_not_judged(run: Run) -> None:
    leaked(run)
    found = judge(run.lay(), namespace="elsewhere")
    assert found.facts["resources"] == 0


# --- what the judge leans on --------------------------------------------------------------------------------


def test_its_markers_are_those_of_the_operator() -> None:
    from neon_tenants.core.marker import Marker

    for namespace, name in (("tenants", "acme"), ("a" * 40, "b" * 60), ("x", "y.z-")):
        for cluster in ("p", "prod-eu-west"):
            assert marker(cluster, namespace, name, UID) == Marker(cluster, namespace, name, UID).project_name


def test_it_finds_owners_in_names() -> None:
    assert owner(NAME, "prod") == UID
    assert owner(RELEASED, "prod") == "released"
    for other in (NAME + "-copy", "copy", NAME[:-1], NAME.replace("prod", "eu"), NAME[:-1] + "1"):
        assert owner(other, "prod") is None


def test_it_imports_nothing_but_the_standard_library_and_itself() -> None:
    allowed = sys.stdlib_module_names | {"verdict"}
    assert verdict.__file__ is not None
    files = list(Path(verdict.__file__).parent.rglob("*.py"))
    assert len(files) >= 9
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, file
                found = {node.module or ""}
            else:
                assert not (isinstance(node, ast.Name) and node.id in ("__import__", "exec", "eval")), file
                continue
            assert {name.partition(".")[0] for name in found} <= allowed, file
            assert "importlib" not in found, file
