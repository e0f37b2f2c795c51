"""What the operator is told at its start, by flags and `NEON_TENANTS_*` variables."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from neon_tenants.core.lease import LONGEST
from neon_tenants.core.shard import MOST
from neon_tenants.kube.access import SERVICE_ACCOUNT

ENVIRONMENT_PREFIX = "NEON_TENANTS_"

# So plain that all who read it see the same host in it: what is odder may send the key elsewhere.
_ADDRESS = re.compile(
    r"https?://([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:]{2,39}\])(:[0-9]{1,5})?"
    r"(/[A-Za-z0-9._~/-]*)?"
)
_NUMBERS = re.compile(r"[0-9.]+|[0-9A-Fa-f:]*:[0-9A-Fa-f:]*")
"""Hosts that are IP addresses, or nothing."""

DnsLabel = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]


class Settings(BaseModel):
    """The operator's settings. Each becomes a flag and an environment variable; see `cli`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster_id: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?$",
        description="Name of this cluster in every Neon project's name: up to 12 lower-case letters, digits "
        "and '-'. Choose it once and keep it, also when the cluster is rebuilt. Two clusters that share a "
        "Neon organization need two names.",
    )
    api_key_file: Path = Field(
        description="File with Neon's API key. It is read again for each request, so a changed key needs no "
        "restart.",
    )
    api_url: str = Field(
        default="https://console.neon.tech/api/v2", description="Address of Neon's API. https, or loopback."
    )
    allow_personal_key: bool = Field(
        default=False,
        description="Whether the key may be a person's. It may do all that this person may, also in other "
        "organizations, so it is not used unless this is true. An organization's key needs one request more "
        "at a start: the one that asks Neon whose it is.",
    )
    org_id: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]{1,60}$",
        description="The Neon organization. Required by Neon for a personal key; an organization's key has "
        "its own.",
    )
    watch_namespaces: tuple[DnsLabel, ...] = Field(
        default=(),
        description="Namespaces to watch, separated by commas. Left out: all.",
    )
    kubeconfig: Path | None = Field(
        default=None,
        description="Kubeconfig to use. Left out: the service account of this pod, or else $KUBECONFIG.",
    )
    kube_context: str | None = Field(
        default=None, description="Context of the kubeconfig. Left out: its current one."
    )
    service_account_path: Path = Field(
        default=SERVICE_ACCOUNT,
        description="Folder with the token, ca.crt and namespace of this pod's service account, where it is "
        "mounted elsewhere than Kubernetes does by itself.",
    )
    workers: int = Field(default=32, ge=1, le=256, description="Tenants worked on at the same time.")
    requests_per_minute: int = Field(
        default=560,
        ge=10,
        le=100_000,
        description="Requests to Neon in any 60 seconds. Neon allows 700 to an account, people in its "
        "console included; the default is 80 % of that. While there is work, at least 95 % of it is used.",
    )
    requests_per_second_per_route: int = Field(
        default=32,
        ge=1,
        le=10_000,
        description="Requests of one kind to Neon in any second. Neon allows 40; the default is 80 % of "
        "that.",
    )
    consumption_requests_per_minute: int = Field(
        default=24,
        ge=1,
        le=100_000,
        description="Of the requests of any 60 seconds, those that read the consumption history. Neon allows "
        "about 30; the default is 80 % of that.",
    )
    request_timeout: float = Field(
        default=60.0, gt=0, le=600, description="Seconds until a request to Neon is given up."
    )
    intent_lifetime: float = Field(
        default=300.0,
        gt=0,
        le=3600,
        description="Seconds for which a declared create is honored. A create that was cut off by a crash "
        "waits so long. At least four times the request timeout.",
    )
    resync_interval: float = Field(
        default=3600.0,
        ge=1,
        le=86400,
        description="Seconds in which every tenant and its Secret are looked at once in passing, evenly.",
    )
    sweep_interval: float = Field(
        default=600.0,
        ge=1,
        le=86400,
        description="Seconds between sweeps, each of which compares all tenants with Neon from one request "
        "for 400 projects. The first one comes after a tenth of it.",
    )
    usage_reads_per_sweep: int = Field(
        default=500,
        ge=0,
        le=100_000,
        description="Tenants whose meters one sweep reads, one or two requests each: only those that were "
        "active since the last one, or are near a limit. The others wait for the next sweep.",
    )
    endpoint_checks_per_sweep: int = Field(
        default=20,
        ge=0,
        le=100_000,
        description="Tenants whose compute limits one sweep reads, a request each: only those whose projects "
        "were used or changed since the last one, most recently changed first.",
    )
    idle_interval: float = Field(
        default=300.0,
        ge=1,
        le=86400,
        description="Seconds between looks at a compute that waits until it is idle to get another size. Of "
        "a tier, 30 computes are looked at in this time.",
    )
    retry_max: float = Field(
        default=300.0,
        ge=1,
        le=3600,
        description="The longest delay, in seconds, between retries of a tenant.",
    )
    grace: float = Field(
        default=25.0,
        ge=0,
        le=600,
        description="Seconds that running work gets at shutdown. Keep it below the pod's "
        "terminationGracePeriodSeconds.",
    )
    listen: str = Field(
        default="127.0.0.1:8080",
        pattern=r"^(off|\[?[0-9A-Za-z.:-]{1,253}\]?:[0-9]{1,5})$",
        description="Address that serves /healthz, /readyz, /metrics and what the CLI reads, or off. "
        "In a pod: 0.0.0.0:8080. Port 0 takes a free one.",
    )
    namespace: DnsLabel | None = Field(
        default=None,
        description="Namespace that holds the operator's own state, a ConfigMap. Left out: the one of this "
        "pod, or else neon-tenant-operator.",
    )
    leader_elect: bool = Field(
        default=True,
        description="Whether to work only while holding the Lease neon-tenant-operator in its own namespace: "
        "of several replicas one works, and the others stand by.",
    )
    leader_elect_lease_duration: int = Field(
        default=10,
        ge=1,
        le=int(LONGEST),
        description="Seconds after which another replica takes over a Lease that is not renewed.",
    )
    leader_elect_renew_deadline: float = Field(
        default=7.0,
        gt=0,
        le=LONGEST,
        description="Seconds without a renewal after which the leader stops all work. Less than the Lease's "
        "duration: the rest is for clocks that run unlike and for the stop itself.",
    )
    leader_elect_retry_period: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="Seconds between renewals, and between looks at another's Lease, with up to a fifth more "
        "at random.",
    )
    shards: int = Field(
        default=1,
        ge=1,
        le=MOST,
        description="Parts into which the fleet is split, so that as many replicas can work at once, each on "
        "the parts whose Leases it holds. 1: one replica works on all, and the others stand by. All replicas "
        "get the same number.",
    )
    deletions_per_window: int = Field(
        default=10,
        ge=0,
        le=1000,
        description="Tenants whose project is deleted by itself when they are marked for deletion within the "
        "window. With more, further deletions are held until a person releases them. 0: no limit.",
    )
    deletions_per_tier: int = Field(
        default=0, ge=0, le=1000, description="The same for the tenants of each tier. 0: no limit of its own."
    )
    deletions_per_namespace: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="The same for the tenants of each namespace. 0: no limit of its own.",
    )
    deletion_window: float = Field(
        default=600.0, ge=1, le=86400, description="Seconds of the window in which deletions are counted."
    )
    paused: bool = Field(
        default=False,
        description="true: nothing is changed, on Neon or for tenants; their status says so when it is due.",
    )
    tenant_metrics: bool = Field(
        default=False,
        description="Whether /metrics shows the usage of each tenant by its name: up to 10 series a tenant, "
        "which most Prometheus servers cannot bear for thousands of tenants.",
    )
    log_level: str = Field(
        default="INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR."
    )

    @field_validator("api_url")
    @classmethod
    def _safe_url(cls, url: str) -> str:
        if _ADDRESS.fullmatch(url) is None:
            raise ValueError("must be an address such as https://console.neon.tech/api/v2")
        parts = urlsplit(url)
        if parts.port == 0:
            raise ValueError("0 is no port")
        if _NUMBERS.fullmatch(parts.hostname or ""):
            ip_address(parts.hostname or "")
        loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
            raise ValueError("the key must not travel in the clear: use https, or http on loopback")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _a_post_fits_its_intent(self) -> Self:
        # A POST leaves in the first half of the lifetime; the rest must hold its time-out and Neon's own
        # time to finish it and to list the project (docs/protocol.md, rules 4 and 5).
        if self.request_timeout > self.intent_lifetime / 4:
            raise ValueError("request_timeout must be at most a quarter of intent_lifetime")
        return self

    @model_validator(mode="after")
    def _each_shard_has_a_part(self) -> Self:
        if self.shards > 1 and not self.leader_elect:
            raise ValueError("shards need leader_elect: Leases say who works on which")
        if self.requests_per_minute < 10 * self.shards or self.requests_per_second_per_route < self.shards:
            raise ValueError(
                "each shard needs at least 10 of requests_per_minute, and 1 of requests_per_second_per_route"
            )
        return self

    @model_validator(mode="after")
    def _a_leader_stops_in_time(self) -> Self:
        if self.leader_elect_renew_deadline >= self.leader_elect_lease_duration:
            raise ValueError("leader_elect_renew_deadline must be less than leader_elect_lease_duration")
        if self.leader_elect_retry_period * 1.2 >= self.leader_elect_renew_deadline:
            raise ValueError("leader_elect_retry_period must be less than leader_elect_renew_deadline / 1.2")
        return self
