"""docs/metrics.md is the list of all metrics, no more and no less; and they keep Prometheus' conventions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

import builders as a
import kubeconfig
from neon_tenants import assembly
from neon_tenants.api.tenant_database import Meter, Usage
from neon_tenants.core.again import Again
from neon_tenants.core.lane import Lane
from neon_tenants.core.record import Record, packed
from neon_tenants.core.shard import WHOLE
from neon_tenants.kube.client import KubeClient
from neon_tenants.metrics import PREFIX, Metrics
from neon_tenants.replica import Replica
from neon_tenants.settings import Settings

PAGE = Path(__file__).parents[2] / "docs/metrics.md"


async def families(folder: Path) -> dict[str, tuple[str, str, list[Sample]]]:
    """Type, help and samples of all that an operator shows, by name. It is put together, and not run."""
    config = kubeconfig.write(folder / "kubeconfig", "http://127.0.0.1:1")
    settings = Settings(
        cluster_id="prod", api_key_file=folder / "key", kubeconfig=config, tenant_metrics=True
    )
    metrics = Metrics()
    async with (
        KubeClient.connect(kubeconfig=config) as kube,
        assembly.assemble(settings, kube=kube, metrics=metrics, scope=lambda: WHOLE) as operator,
    ):
        operator.roster.put_tier(a.tier())
        usage = Usage(compute_time=Meter(used=5, limit=10, percent=50))
        operator.roster.put(replace(Record.of(a.tenant(status=a.status())), meters=packed(usage)))
        metrics.passed(Again(), 0.1)
        metrics.became_ready(2.0)
        metrics.requested("/projects/{}", "GET", 200, Lane.SWEEP)
        with metrics.showing(Replica(None)):
            page = metrics.render().decode()
    return {
        family.name: (family.type, family.documentation, family.samples)
        for family in text_string_to_metric_families(page)
        if family.name.startswith(PREFIX)
    }


def rows(found: dict[str, tuple[str, str, list[Sample]]]) -> Iterator[str]:
    for name, (kind, meaning, samples) in sorted(found.items()):
        labels = sorted({label for sample in samples for label in sample.labels} - {"le"})
        shown = name + "_total" if kind == "counter" else name
        yield f"| `{shown}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {meaning} |"


async def test_the_page_lists_every_metric_and_no_other(tmp_path: Path) -> None:
    table = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{PREFIX}")]
    wanted = list(rows(await families(tmp_path)))
    assert table == wanted, "docs/metrics.md should hold:\n" + "\n".join(wanted)


async def test_metrics_keep_prometheus_conventions(tmp_path: Path) -> None:
    """What `promtool check metrics` looks for."""
    for name, (kind, meaning, samples) in (await families(tmp_path)).items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name), name
        assert meaning.endswith("."), name
        assert samples, name
        assert kind in {"counter", "gauge", "histogram"}, name
        # Only counters are totals, only histograms have counts and sums, and units are base units.
        assert not re.search(r"_(total|count|sum|bucket)$", name), name
        assert not re.search(r"_(milliseconds|minutes|hours|days|kilobytes|megabytes)$", name), name
        assert not any(label in name.split("_") for sample in samples for label in sample.labels), name
