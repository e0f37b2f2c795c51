"""Every alert fires when it should, not before, and not otherwise: judged by promtool."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import alerts


@dataclass(frozen=True)
class Case:
    """Series that are well up to minute 10, and not from minute 11 on, in promtool's notation."""

    alert: str
    series: dict[str, str]
    description: str | None = None
    """As it reads then; None where it holds no values."""
    labels: dict[str, str] = field(default_factory=dict)
    quiet: int | None = None
    """The last minute at which it must not fire; left out: one before the rule's `for` has passed."""
    fires: int | None = None


CREATE = {"lane": "create"}
CASES = (
    Case("NeonTenantsOperatorAbsent", {'neon_tenants_build_info{version="1"}': "1x10"}, quiet=29, fires=31),
    Case("NeonTenantsOperatorNotReady", {"neon_tenants_ready": "1x10 0x40"}),
    Case(
        "NeonTenantsNoLeader",
        {'neon_tenants_leader{pod="a"}': "1x10 0x40", 'neon_tenants_leader{pod="b"}': "0x50"},
    ),
    Case("NeonTenantsCredentialsRejected", {"neon_tenants_api_key_rejected": "0x10 1x40"}),
    Case(
        "NeonTenantsNeonUnreachable",
        {
            'neon_tenants_neon_requests_total{status="2xx",lane="create"}': "0+60x10 600x60",
            'neon_tenants_neon_requests_total{status="4xx",lane="create"}': "0+9x70",
            'neon_tenants_neon_requests_total{status="5xx",lane="create"}': "0x10 0+27x60",
            'neon_tenants_neon_requests_total{status="none",lane="sweep"}': "0x10 0+54x60",
        },
        "90% of the requests to Neon got no answer or a server error.",
        quiet=20,
        fires=30,
    ),
    Case(
        "NeonTenantsThrottled",
        {
            'neon_tenants_neon_requests_total{status="2xx"}': "0+60x70",
            'neon_tenants_neon_requests_total{status="429"}': "0x10 0+2x60",
        },
        quiet=25,
        fires=30,
    ),
    Case(
        "NeonTenantsBudgetExhausted",
        {
            'neon_tenants_budget_oldest_seconds{lane="create"}': "0x60",
            'neon_tenants_budget_oldest_seconds{lane="rollout"}': "600x10 660x40",
        },
        "The first request of the lane rollout has waited 11m 0s for its turn in the request budget.",
        {"lane": "rollout"},
    ),
    Case(
        "NeonTenantsCreatesWait",
        {
            'neon_tenants_queue_oldest_seconds{lane="create"}': "300x10 360x40",
            'neon_tenants_queue_oldest_seconds{lane="rollout"}': "900x60",
        },
        "A new tenant has waited 6m 0s for a worker. Customers who sign up now get no database.",
        CREATE,
    ),
    Case(
        "NeonTenantsQueueOld",
        {
            'neon_tenants_queue_oldest_seconds{lane="create"}': "0x60",
            'neon_tenants_queue_oldest_seconds{lane="sweep"}': "1800x10 3600x40",
        },
        "In the lane sweep a tenant has waited 1h 0m 0s for a worker.",
        {"lane": "sweep"},
    ),
    Case(
        "NeonTenantsReadySlow",
        {
            'neon_tenants_time_to_ready_seconds_bucket{le="300"}': "0+1x10 10x60",
            'neon_tenants_time_to_ready_seconds_bucket{le="600"}': "0+1x10 10+1x60",
            'neon_tenants_time_to_ready_seconds_bucket{le="+Inf"}': "0+1x10 10+1x60",
        },
        "One of ten new tenants took longer than 9m 30s from its creation until it was Ready.",
        quiet=25,
        fires=60,
    ),
    Case("NeonTenantsDeletionsHeld", {"neon_tenants_brake_engaged": "0x10 1x40"}),
    Case(
        "NeonTenantsApiServerChanged",
        {'neon_tenants_paused{by="api_server"}': "0x10 1x40", 'neon_tenants_paused{by="setting"}': "1x50"},
        labels={"by": "api_server"},
    ),
    Case(
        "NeonTenantsPaused",
        {'neon_tenants_paused{by="setting"}': "0x10 1x300", 'neon_tenants_paused{by="api_server"}': "1x310"},
        labels={"by": "setting"},
    ),
    Case(
        "NeonTenantsManyStalled",
        {
            'neon_tenants_tenant_conditions{condition="Stalled",tier="free"}': "6x60",
            'neon_tenants_tenant_conditions{condition="Stalled",tier="pro"}': "4x10 5x50",
            'neon_tenants_tenant_conditions{condition="Available",tier="pro"}': "500x60",
        },
        "Tenants that are Stalled: 11. They do not heal without a person.",
    ),
    Case(
        "NeonTenantsStalled",
        {
            'neon_tenants_tenant_conditions{condition="Stalled",tier="free"}': "0x10 1x160",
            'neon_tenants_tenant_conditions{condition="QuotaNear",tier="free"}': "7x170",
        },
        "Tenants that have been Stalled for two hours: 1. They do not heal without a person.",
    ),
    Case(
        "NeonTenantsProjectMissing",
        {
            'neon_tenants_tenants{tier="free",ready="False",reason="ProjectMissing"}': "0x10 2x40",
            'neon_tenants_tenants{tier="free",ready="True",reason="Provisioned"}': "9x50",
        },
        "Tenants whose project is gone: 2. Neon keeps a deleted project for 7 days only.",
    ),
    Case(
        "NeonTenantsPreviousProjects",
        {'neon_tenants_tenants{tier="free",ready="False",reason="PreviousProjectFound"}': "0x10 3x40"},
        "Tenants that are held, since a project of an earlier resource of their name stands, with its "
        "data: 3.",
    ),
    Case(
        "NeonTenantsPlanLimitReached",
        {'neon_tenants_tenants{tier="free",ready="False",reason="PlanLimitReached"}': "0x10 1x40"},
        "Tenants for which Neon's plan allows no more projects, or no such value: 1. Customers who sign "
        "up may get no database.",
    ),
    Case(
        "NeonTenantsRolloutPaused",
        {'neon_tenants_rollouts{phase="Paused"}': "0x10 1x40", 'neon_tenants_rollouts{phase="Done"}': "3x50"},
        "Tiers whose rollout is paused: 1. Tenants stalled, or the change would destroy or shut out.",
        {"phase": "Paused"},
    ),
    Case(
        "NeonTenantsSweepOld",
        {"neon_tenants_sweep_age_seconds": "3600x10 3660x40"},
        "The last comparison of all tenants with Neon is 1h 1m 0s old. Drift, usage and orphans are not "
        "seen.",
    ),
    Case(
        "NeonTenantsPassesFail",
        {
            'neon_tenants_reconcile_duration_seconds_count{outcome="error"}': "0x10 0+1x60",
            'neon_tenants_reconcile_duration_seconds_count{outcome="retry"}': "0+5x70",
        },
        quiet=39,
        fires=45,
    ),
    Case(
        "NeonTenantsOrphans",
        {
            'neon_tenants_orphans{kind="Orphan"}': "0x10 2x100",
            'neon_tenants_orphans{kind="Released"}': "5x110",
        },
        "Projects of this cluster without a TenantDatabase: 2. They are billed, and never deleted by "
        "themselves.",
    ),
    Case(
        "NeonTenantsDriftRepaired",
        {"neon_tenants_drift_repaired_total": "0+0.1x60 6+1x60"},
        "In one hour 60 changes that were made past the operator were put back.",
        quiet=60,
        fires=121,
    ),
)


def as_test(case: Case, rule: dict[str, Any]) -> dict[str, Any]:
    """A case in the words of `promtool test rules`."""
    annotations = rule["annotations"] | ({"description": case.description} if case.description else {})
    held = alerts.minutes(rule)
    alert = {"exp_labels": {**rule["labels"], **case.labels}, "exp_annotations": annotations}

    def at(minute: int, *expected: dict[str, Any]) -> dict[str, Any]:
        return {"eval_time": f"{minute}m", "alertname": case.alert, "exp_alerts": list(expected)}

    quiet = 10 + held if case.quiet is None else case.quiet
    fires = 11 + held if case.fires is None else case.fires
    return {
        "name": case.alert,
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
        "alert_rule_test": [at(10), at(quiet), at(fires, alert)],
    }


def run(promtool: Path, *words: str | Path) -> None:
    done = subprocess.run([promtool, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case() -> None:
    assert [case.alert for case in CASES] == [rule["alert"] for rule in alerts.rules()]


def test_every_alert_fires_in_time_and_not_before(promtool: Path, tmp_path: Path) -> None:
    rules = {rule["alert"]: rule for rule in alerts.rules()}
    tests = [as_test(case, rules[case.alert]) for case in CASES]
    document = {"rule_files": [str(alerts.FILE)], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(document))
    run(promtool, "check", "rules", alerts.FILE)
    run(promtool, "test", "rules", tmp_path / "tests.yaml")
