"""`neon-tenant-operator run`: the operator itself."""

from __future__ import annotations

import asyncio
import gc
from typing import Any, Final

import click
import uvloop
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from neon_tenants import logs
from neon_tenants.cli.options import Option, with_options
from neon_tenants.kube.access import NoClusterError
from neon_tenants.settings import ENVIRONMENT_PREFIX, Settings
from neon_tenants.spared import spared

with spared("kubernetes"):
    # Kopf imports all of it, which takes 13 MB, to know objects of its when it is given any.
    from neon_tenants import process

YOUNG: Final = 10_000
"""Objects between two looks for cycles of garbage. With Python's own 700 they took a tenth of the processor's
time: each answer makes hundreds of objects, and hardly any is part of a cycle."""


def _option(name: str, field: FieldInfo) -> Option:
    """A flag and a variable for a setting. They carry text; the settings model reads and checks it."""
    default = "" if field.is_required() or field.default in (None, ()) else f"  [default: {field.default}]"
    needed = "  [required]" if field.is_required() else ""
    return click.option(
        "--" + name.replace("_", "-"),
        name,
        envvar=ENVIRONMENT_PREFIX + name.upper(),
        show_envvar=True,
        metavar="TEXT" if name != "api_key_file" else "FILE",
        help=f"{field.description}{default}{needed}",
    )


@click.command()
@with_options(_option(name, field) for name, field in Settings.model_fields.items())
def run(**given: str | None) -> None:
    """Watch TenantDatabases and keep each as one Neon project.

    The Neon API key comes from a file, never from a flag or a variable. Logs are JSON lines on stderr.
    Ends on SIGTERM or Ctrl-C, after the work under way is finished.
    """
    settings = _settings({name: value for name, value in given.items() if value is not None})
    logs.configure(settings.log_level)
    gc.freeze()  # what was imported stays: it need not be looked at again and again
    gc.set_threshold(YOUNG)
    try:
        uvloop.run(_run(settings))
    except NoClusterError as error:
        raise click.ClickException(str(error)) from None


def _settings(given: dict[str, Any]) -> Settings:
    if "watch_namespaces" in given:
        given["watch_namespaces"] = tuple(
            n.strip() for n in given["watch_namespaces"].split(",") if n.strip()
        )
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_context=False):
            name = str(problem["loc"][0]) if problem["loc"] else ""
            flag = "--" + name.replace("_", "-") if name else "settings"
            if problem["type"] == "missing":
                lines.append(f"{flag} (or {ENVIRONMENT_PREFIX}{name.upper()}) is required.")
            else:
                lines.append(f"{flag}: {problem['msg']}.")
        raise click.UsageError("\n".join(lines)) from None


async def _run(settings: Settings) -> None:
    await process.run(settings, stop=asyncio.Event())
