"""What users may write as values: what becomes of it, and what they are told when it is wrong."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml
from pydantic.alias_generators import to_camel

import charts
from generators import schemas
from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane
from neon_tenants.settings import ENVIRONMENT_PREFIX, Settings
from neon_tenants.shards import lease_of

EVERYTHING: dict[str, Any] = {
    "image": {"digest": f"sha256:{'0123456789abcdef' * 4}", "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "registry"}],
    "neon": {"existingSecret": "neon", "existingSecretKey": "token"},
    "podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"},
    "replicaCount": 3,
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"pool": "platform"},
    "tolerations": [{"key": "platform", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "livenessProbe": {"periodSeconds": 30},
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca"}],
    "commonLabels": {"team": "platform", "app.kubernetes.io/name": "mine"},
    "deploymentAnnotations": {"example.com/deployment": "a"},
    "podLabels": {"pod": "yes", "app.kubernetes.io/instance": "mine"},
    "podAnnotations": {"example.com/pod": "b"},
    "serviceAccount": {"annotations": {"example.com/account": "c"}},
    "settings": {"grace": 99.5},
}


def values(**changes: Any) -> dict[str, Any]:
    """The required ones with changes; a change of a map is merged into it."""
    found: dict[str, Any] = {**copy.deepcopy(charts.REQUIRED), **changes}
    for name, change in changes.items():
        if isinstance(change, dict) and isinstance(charts.REQUIRED.get(name), dict):
            found[name] = {**charts.REQUIRED[name], **change}
    return found


async def deployment(**changes: Any) -> dict[str, Any]:
    return charts.one(await charts.rendered(charts.OPERATOR, values(**changes)), "Deployment")


def environment(found: dict[str, Any]) -> dict[str, str]:
    (container,) = found["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}


# --- what becomes of it --------------------------------------------------------------------------------


async def test_each_setting_reaches_the_operator_as_it_was_written() -> None:
    given: dict[str, Any] = {
        **{name: field.default for name, field in Settings.model_fields.items()},
        "org_id": "org-tidy-1",
        "requests_per_minute": 100_000,
        "request_timeout": 12.5,
        "paused": True,
    }
    for name in schemas.SET_BY_THE_CHART:
        del given[name]
    found = environment(await deployment(settings={to_camel(name): value for name, value in given.items()}))
    names = {f"{ENVIRONMENT_PREFIX}{name.upper()}": name for name in Settings.model_fields}
    assert found.keys() <= names.keys()
    read = Settings.model_validate({names[key]: value for key, value in found.items() if value})
    assert {name: getattr(read, name) for name in given} == given


async def test_the_pod_outlives_the_operators_grace() -> None:
    plain = await deployment()
    assert (
        plain["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        > 25
        == Settings.model_fields["grace"].default
    )
    longer = await deployment(settings={"grace": 99.5})
    assert longer["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 115


async def test_everything_that_may_be_set_arrives() -> None:
    documents = await charts.rendered(charts.OPERATOR, values(**EVERYTHING))
    found = charts.one(documents, "Deployment")
    pod = found["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"].endswith(f":0.1.0@{EVERYTHING['image']['digest']}")
    assert container["imagePullPolicy"] == "Always"
    for name in ("imagePullSecrets", "priorityClassName", "tolerations", "affinity"):
        assert pod[name] == EVERYTHING[name]
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux", "pool": "platform"}
    (spread,) = pod["topologySpreadConstraints"]
    assert spread["labelSelector"] == found["spec"]["selector"]
    assert container["livenessProbe"]["periodSeconds"] == 30
    assert container["livenessProbe"]["timeoutSeconds"] == 5
    assert EVERYTHING["extraEnv"][0] in container["env"]
    assert EVERYTHING["extraVolumes"][0] in pod["volumes"]
    assert EVERYTHING["extraVolumeMounts"][0] in container["volumeMounts"]
    (key,) = (volume["secret"] for volume in pod["volumes"] if volume["name"] == "neon")
    assert key["secretName"] == "neon"
    assert key["items"] == [{"key": "token", "path": "api-key"}]
    assert found["metadata"]["annotations"] == EVERYTHING["deploymentAnnotations"]
    template = found["spec"]["template"]["metadata"]
    assert template["annotations"]["example.com/pod"] == "b"
    assert template["labels"]["pod"] == "yes"
    account = charts.one(documents, "ServiceAccount")
    assert account["metadata"]["annotations"] == {"example.com/account": "c"}
    budget = charts.one(documents, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == "50%"
    assert budget["selector"] == found["spec"]["selector"]
    for document in documents:
        assert document["metadata"]["labels"]["team"] == "platform", document["kind"]
        assert document["metadata"]["labels"]["app.kubernetes.io/name"] == "neon-tenant-operator"
    # The Deployment must find its pod.
    assert found["spec"]["selector"]["matchLabels"].items() <= template["labels"].items()


async def test_a_budget_is_made_only_on_demand() -> None:
    documents = await charts.rendered(charts.OPERATOR, charts.REQUIRED)
    assert [d for d in documents if d["kind"] == "PodDisruptionBudget"] == []


async def test_an_update_begins_with_the_new_pod() -> None:
    spec = (await deployment())["spec"]
    assert spec["replicas"] == 1
    rolling = {"maxSurge": 1, "maxUnavailable": 0}
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}
    assert "affinity" not in spec["template"]["spec"]


async def test_several_replicas_are_kept_apart() -> None:
    documents = await charts.rendered(charts.OPERATOR, values(replicaCount=2))
    spec = charts.one(documents, "Deployment")["spec"]
    assert spec["replicas"] == 2
    (apart,) = spec["template"]["spec"]["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    assert apart["podAffinityTerm"]["labelSelector"] == spec["selector"]
    budget = charts.one(documents, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == spec["selector"]


async def test_without_an_election_the_old_pod_ends_first() -> None:
    documents = await charts.rendered(charts.OPERATOR, values(settings={"leaderElect": False}))
    assert charts.one(documents, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    resources = {
        resource
        for document in documents
        if document["kind"] in ("Role", "ClusterRole")
        for rule in document["rules"]
        for resource in rule["resources"]
    }
    assert "configmaps" in resources
    assert "leases" not in resources


async def test_each_shard_has_a_lease_that_the_operator_may_renew() -> None:
    documents = await charts.rendered(charts.OPERATOR, values(settings={"shards": 3}))
    names = [
        rule["resourceNames"]
        for document in documents
        if document["kind"] == "Role"
        for rule in document["rules"]
        if rule["resources"] == ["leases"] and "update" in rule["verbs"]
    ]
    assert names == [[lease_of(number, 3) for number in range(3)]]


@pytest.mark.parametrize("changes", [{}, EVERYTHING], ids=["as little as possible", "everything"])
async def test_the_api_server_takes_it(plane: ControlPlane, changes: dict[str, Any]) -> None:
    text = await charts.helm(
        *("template", "neon-tenant-operator", charts.OPERATOR, "--values", "-"),
        *("--namespace", installation.NAMESPACE),
        stdin=charts.as_yaml(values(**changes)),
    )
    apply = (
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
    )
    said = await installation.kubectl(plane, *apply, stdin=text)
    assert "deployment.apps/neon-tenant-operator serverside-applied" in said


async def test_a_namespace_to_watch_must_be_there(plane: ControlPlane) -> None:
    documents = await charts.rendered(charts.OPERATOR, values(watchNamespaces=["not-there"]))
    (binding,) = (
        document
        for document in documents
        if document["kind"] == "RoleBinding" and document["metadata"]["namespace"] == "not-there"
    )
    apply = ("apply", "--dry-run=server", "-f", "-")
    with pytest.raises(installation.KubectlError, match='namespaces "not-there" not found'):
        await installation.kubectl(plane, *apply, stdin=yaml.safe_dump(binding))


async def test_the_chart_can_be_part_of_another() -> None:
    """Helm adds `global` to its values then."""
    assert await charts.rendered(charts.OPERATOR, values(**{"global": {"imageRegistry": "elsewhere"}}))


# --- what users are told -------------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no cluster id": ({"clusterId": ""}, "clusterId is required: a short name for this cluster"),
    "a cluster id that Neon's names cannot hold": (
        {"clusterId": "Prod EU"},
        "at '/clusterId': 'Prod EU' does",
    ),
    "no key": ({"neon": {"existingSecret": ""}}, "neon.existingSecret is required: the name of a Secret"),
    "the key itself": (
        {"neon": {"apiKey": "napi_x"}},
        "at '/neon': additional properties 'apiKey' not allowed",
    ),
    "a misspelt value": ({"clusterID": "x"}, "additional properties 'clusterID' not allowed"),
    "a misspelt setting": ({"settings": {"worker": 3}}, "at '/settings': additional properties 'worker' not"),
    "a setting out of range": ({"settings": {"workers": 1000}}, "at '/settings/workers': maximum: got 1,000"),
    "a word for a number": ({"settings": {"workers": "many"}}, "got string, want integer"),
    "a namespace that is no list": (
        {"watchNamespaces": "a"},
        "at '/watchNamespaces': got string, want array",
    ),
    "no name of a namespace": (
        {"watchNamespaces": ["a", "B_"]},
        "at '/watchNamespaces/1': 'B_' does not match",
    ),
    "a namespace twice": ({"watchNamespaces": ["a", "a"]}, "items at 0 and 1 are equal"),
    "no digest": ({"image": {"digest": "latest"}}, "at '/image/digest': 'latest' does not match"),
    "a budget that blocks": ({"podDisruptionBudget": {"maxUnavailable": 0}}, "minimum: got 0, want 1"),
    "several at once": (
        {"replicaCount": 2, "settings": {"leaderElect": False}},
        "replicaCount is above 1 and settings.leaderElect is false: all replicas would work at once",
    ),
    "half a volume": ({"extraVolumes": [{}]}, "at '/extraVolumes/0': missing property 'name'"),
    "nothing": ({"neon": None}, "missing property 'neon'"),
    "a setting as a variable": (
        {"extraEnv": [{"name": "NEON_TENANTS_RETRY_MAX", "value": "3"}]},
        "extraEnv must not set NEON_TENANTS_RETRY_MAX. Set settings.retryMax.",
    ),
    "the chart's own as a variable": (
        {"extraEnv": [{"name": "NEON_TENANTS_LISTEN", "value": "off"}]},
        "extraEnv must not set NEON_TENANTS_LISTEN. The probes and the Service rely on the chart's port.",
    ),
}


@pytest.mark.parametrize(("changes", "said"), REFUSED.values(), ids=REFUSED.keys())
async def test_it_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(charts.HelmError) as refused:
        await deployment(**changes)
    assert said in str(refused.value)


@pytest.mark.parametrize("name", schemas.SET_BY_THE_CHART)
async def test_what_the_chart_sets_is_no_setting(name: str) -> None:
    with pytest.raises(charts.HelmError, match=rf"settings\.{to_camel(name)} is set by the chart\. [A-Z]"):
        await deployment(settings={to_camel(name): "anything"})


async def test_settings_that_are_all_commented_out_are_the_defaults() -> None:
    assert await deployment(settings=None) == await deployment()


async def test_an_old_kubernetes_is_refused() -> None:
    values = "clusterId=a,neon.existingSecret=b"
    with pytest.raises(charts.HelmError, match=r"requires kubeVersion: >=1\.32"):
        await charts.helm("template", charts.OPERATOR, "--set", values, "--kube-version", "1.31.0")


async def test_the_external_secret_of_the_readme_makes_what_the_chart_mounts() -> None:
    page = (charts.OPERATOR / "README.md").read_text()
    made = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])
    pod = (await deployment())["spec"]["template"]["spec"]
    (mounted,) = (volume["secret"] for volume in pod["volumes"] if "secret" in volume)
    assert mounted["secretName"] == made["spec"]["target"]["name"]
    assert [item["key"] for item in mounted["items"]] == [d["secretKey"] for d in made["spec"]["data"]]
    assert made["metadata"]["namespace"] == installation.NAMESPACE


@pytest.mark.proves("T17")
async def test_a_changed_key_reaches_the_running_pod() -> None:
    """The kubelet renews a Secret that is mounted as a folder, never one by a subPath."""
    (container,) = (await deployment())["spec"]["template"]["spec"]["containers"]
    (mount,) = (mount for mount in container["volumeMounts"] if mount["name"] == "neon")
    assert "subPath" not in mount
    assert environment(await deployment())["NEON_TENANTS_API_KEY_FILE"] == f"{mount['mountPath']}/api-key"
