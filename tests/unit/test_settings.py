"""Settings and the command line's way to them."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from neon_tenants.cli import main
from neon_tenants.settings import Settings

GOOD = {"cluster_id": "prod", "api_key_file": "/run/key"}


def test_defaults_need_only_the_cluster_and_the_key() -> None:
    settings = Settings.model_validate(GOOD)
    assert settings.api_url == "https://console.neon.tech/api/v2"
    assert settings.requests_per_minute == 560


BAD: dict[str, dict[str, object]] = {
    "a long cluster id": {"cluster_id": "a" * 13},
    "an upper-case cluster id": {"cluster_id": "Prod"},
    "the key in the clear": {"api_url": "http://console.neon.tech/api/v2"},
    "a login in the address": {"api_url": "https://me:pw@console.neon.tech"},
    "no host": {"api_url": "https://"},
    "another scheme": {"api_url": "file:///etc/passwd"},
    "an intent that a POST outlives": {"request_timeout": "30", "intent_lifetime": "60"},
    "a leader that stops too late": {"leader_elect_renew_deadline": "10"},
    "a leader that cannot try twice": {"leader_elect_retry_period": "6"},
    "a Lease that nobody honors": {"leader_elect_lease_duration": "301"},
    "shards without Leases": {"shards": 2, "leader_elect": False},
    "no shard at all": {"shards": 0},
    "more shards than anybody looks at": {"shards": 33},
    "shards with next to no requests": {"shards": 4, "requests_per_minute": 39},
    "shards without a request a second": {"shards": 4, "requests_per_second_per_route": 3},
    "a namespace pattern": {"watch_namespaces": ("team-*",)},
    "an unknown setting": {"api_key": "napi_x"},
}


@pytest.mark.proves("T7")
@pytest.mark.parametrize("changes", BAD.values(), ids=BAD.keys())
def test_bad_settings_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({**GOOD, **changes})


def test_shards_may_have_as_little_as_this() -> None:
    least = {"shards": 4, "requests_per_minute": 40, "requests_per_second_per_route": 4}
    assert Settings.model_validate({**GOOD, **least}).shards == 4


def test_loopback_may_speak_http() -> None:
    settings = Settings.model_validate({**GOOD, "api_url": "http://127.0.0.1:8080/api/v2/"})
    assert settings.api_url == "http://127.0.0.1:8080/api/v2"


def test_help_names_every_flag_and_variable() -> None:
    result = CliRunner().invoke(main, ["run", "--help"])
    assert result.exit_code == 0
    for name in Settings.model_fields:
        assert "--" + name.replace("_", "-") in result.output
        assert "NEON_TENANTS_" + name.upper() in result.output.replace("\n", "").replace(" ", "")


def test_what_is_missing_is_said_by_flag_and_variable() -> None:
    result = CliRunner().invoke(main, ["run"], env={})
    assert result.exit_code == 2
    assert "--cluster-id (or NEON_TENANTS_CLUSTER_ID) is required." in result.output
    assert "--api-key-file (or NEON_TENANTS_API_KEY_FILE) is required." in result.output


def test_a_variable_is_read_and_checked() -> None:
    env = {"NEON_TENANTS_CLUSTER_ID": "prod", "NEON_TENANTS_API_KEY_FILE": "/k", "NEON_TENANTS_WORKERS": "0"}
    result = CliRunner().invoke(main, ["run"], env=env)
    assert result.exit_code == 2
    assert "--workers" in result.output
