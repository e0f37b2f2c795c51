"""The story of the demo, act by act."""

from __future__ import annotations

import signal
import time
from typing import Final

from rich.console import Console

from neon_sandbox.controlplane import Report, prepare
from neon_sandbox.demo.screen import Screen
from neon_sandbox.demo.stage import Stage, refusal, require, sql, until
from neon_sandbox.emulator import Script
from neon_sandbox.stack import Stack

TENANTS: Final = {"acme": "free", "globex": "pro", "initech": "enterprise"}


def manifest(name: str, tier: str) -> str:
    """What a platform applies for a tenant."""
    return f"""\
apiVersion: neontenants.io/v1alpha1
kind: TenantDatabase
metadata:
  name: {name}
spec:
  tier: {tier}
  deletionPolicy: Delete
"""


async def run(*, version: str | None, console: Console) -> None:
    """Plays the demo. Raises DemoFailedError, and what the parts raise that do not start."""
    screen = Screen(console)
    binaries = await prepare(version, report=Report(console))
    began = time.monotonic()
    screen.say(
        f"Starting Kubernetes {binaries.version}, PostgreSQL with Neon's API on top, and the operator ..."
    )
    async with Stack.start(binaries) as stack:
        await stack.start_operator()
        stage = Stage(stack)
        screen.good(f"All on this machine, ready after {time.monotonic() - began:.0f} s.")
        for act in (_plans, _tenants, _login, _isolation, _upgrade, _suspension, _crash, _deletion):
            await act(screen, stage)
        screen.act("The end")
        await stage.kubectl("delete", "tenantdatabases", "--all", "--timeout=30s")
        require(not [p for p in stack.neon.projects() if not p["deleted_at"]], "a project is left on Neon")
        screen.good("All tenants are deleted, and nothing is left on Neon.")
    screen.say(f"That took {time.monotonic() - began:.0f} s. Try it yourself: neon-sandbox up")


async def _plans(screen: Screen, stage: Stage) -> None:
    screen.act("The platform team defines its plans once")
    screen.command("kubectl apply -f examples/tiers.yaml")
    screen.command("kubectl get databasetiers")
    screen.output(await stage.kubectl("get", "databasetiers"))


async def _tenants(screen: Screen, stage: Stage) -> None:
    screen.act("A tenant is one short manifest; each becomes one Neon project")
    screen.output(manifest("acme", "free"))
    screen.command("kubectl apply -f acme.yaml -f globex.yaml -f initech.yaml")
    documents = [manifest(name, tier) for name, tier in TENANTS.items()]
    await stage.kubectl("apply", "-f", "-", stdin="---\n".join(documents))
    with screen.live() as table:
        await stage.until_ready(*TENANTS, show=table.show)
    screen.good("Three databases are ready, each held to its plan by Neon's own quotas.")


async def _login(screen: Screen, stage: Stage) -> None:
    screen.act("The login is in a Secret")
    screen.command(
        "psql \"$(kubectl get secret acme-database -o go-template='{{.data.uri | base64decode}}')\""
    )
    uri = (await stage.secret("acme"))["uri"]
    version = await sql(uri, "SHOW server_version")
    await sql(uri, "CREATE TABLE notes AS SELECT 'hello from acme' AS text")
    screen.output(f"connected to PostgreSQL {version}")
    screen.output("acme=> SELECT text FROM notes")
    screen.output(await sql(uri, "SELECT text FROM notes"))


async def _isolation(screen: Screen, stage: Stage) -> None:
    screen.act("One tenant's login does not open another's database")
    acme, globex = await stage.secret("acme"), await stage.secret("globex")
    stolen = globex["uri"].replace(globex["password"], acme["password"])
    screen.say("acme's password at globex's address:")
    screen.output(await refusal(stolen, "SELECT 1"))
    require(
        await sql(globex["uri"], "SELECT count(*) FROM pg_class WHERE relname = 'notes'") == 0,
        "a table leaked",
    )
    screen.good("Refused; and globex sees nothing of acme's table.")


async def _upgrade(screen: Screen, stage: Stage) -> None:
    screen.act("acme pays: from Free to Pro, in place")
    before = await stage.secret("acme")
    screen.command('kubectl patch tenantdatabase acme --type=merge -p \'{"spec":{"tier":"pro"}}\'')
    screen.output(f"before:  {_limits(stage, 'acme')}")
    await stage.kubectl("patch", "tenantdatabase", "acme", "--type=merge", "-p", '{"spec":{"tier":"pro"}}')
    await stage.until_ready("acme")
    screen.output(f"after:   {_limits(stage, 'acme')}")
    require(await stage.secret("acme") == before, "the login changed")
    require(await sql(before["uri"], "SELECT text FROM notes") == "hello from acme", "the data is gone")
    screen.good("The same project, password and data; larger quotas and a larger compute.")


def _limits(stage: Stage, name: str) -> str:
    project = stage.project(name)
    quota, compute = project["quota"], project["endpoints"][0]
    return (
        f"storage {quota['logical_size_bytes'] / 1024**3:g} GiB, "
        f"compute {quota['compute_time_seconds'] // 3600} h, "
        f"transfer {quota['data_transfer_bytes'] / 1024**3:g} GiB, "
        f"{compute['autoscaling_limit_min_cu']:g} to {compute['autoscaling_limit_max_cu']:g} CU"
    )


async def _suspension(screen: Screen, stage: Stage) -> None:
    screen.act("globex does not pay: suspended, and back")
    uri = (await stage.secret("globex"))["uri"]
    await _set_state(screen, stage, "Suspended")
    screen.output(f"login: {await refusal(uri, 'SELECT 1')}")
    await _set_state(screen, stage, "Active")
    require(await sql(uri, "SELECT 1") == 1, "globex cannot log in again")
    screen.good("Logins are refused while suspended; the data stays, and the same login works again.")


async def _set_state(screen: Screen, stage: Stage, state: str) -> None:
    patch = f'{{"spec":{{"state":"{state}"}}}}'
    screen.command(f"kubectl patch tenantdatabase globex --type=merge -p '{patch}'")
    await stage.kubectl("patch", "tenantdatabase", "globex", "--type=merge", "-p", patch)
    await stage.until_ready("globex")


async def _crash(screen: Screen, stage: Stage) -> None:
    screen.act("The operator is killed in the middle of a create")
    screen.say("Neon has no idempotency key: whoever repeats a create makes a second, billed project.")
    # Neon makes the project, and its answer is still on the way when the operator dies.
    stage.stack.neon.answers.add(Script(method="POST", route="/projects", delay_after=60))
    screen.command("kubectl apply -f umbrella.yaml")
    await stage.kubectl("apply", "-f", "-", stdin=manifest("umbrella", "free"))

    async def made() -> bool:
        return bool(stage.projects("umbrella"))

    await until(made, "Neon made the project")
    operator = stage.stack.operators[-1]
    await operator.stop(sign=signal.SIGKILL)
    screen.command(f"kill -9 {operator.pid}   # the project exists; the operator never saw the answer")
    await stage.stack.start_operator()
    screen.say("A new operator starts, and knows only what stands in Kubernetes and Neon.")
    await stage.until_ready("umbrella")
    project = stage.project("umbrella")
    require(
        (await stage.tenant("umbrella"))["status"]["projectId"] == project["id"],
        "another project is recorded",
    )
    require(await sql((await stage.secret("umbrella"))["uri"], "SELECT 1") == 1, "umbrella cannot log in")
    screen.good(f"Exactly one project: {project['name']}. It was found by its name, and logs in.")


async def _deletion(screen: Screen, stage: Stage) -> None:
    screen.act("A tenant leaves")
    project = stage.project("initech")["id"]
    screen.command("kubectl delete tenantdatabase initech")
    screen.output(await stage.kubectl("delete", "tenantdatabase", "initech", "--timeout=30s"))
    require(not stage.projects("initech"), "initech's project is still there")

    async def no_secret() -> bool:
        return not await stage.kubectl("get", "secret", "initech-database", "--ignore-not-found")

    await until(no_secret, "initech's Secret was gone")
    screen.good(
        f"Its project {project} and its Secret are gone. Neon keeps the project recoverable for 7 days."
    )
    screen.say("With deletionPolicy: Retain, the default, the project stays and is only given another name.")
