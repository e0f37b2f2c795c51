"""The command line: `neon-tenant-operator`. Each command has a module of its own."""

from __future__ import annotations

import click

from neon_tenants import __version__
from neon_tenants.cli.operations import (
    confirm_api_server,
    orphans,
    rebind,
    release_deletions,
    resume_rollout,
    undelete,
)
from neon_tenants.cli.preview import preview
from neon_tenants.cli.run import run
from neon_tenants.cli.status import status
from neon_tenants.cli.usage import usage


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="neon-tenant-operator")
def main() -> None:
    """One Neon Postgres project per TenantDatabase, held to its tier, exactly once."""


main.add_command(preview)
main.add_command(run)
main.add_command(status)
main.add_command(usage)
main.add_command(rebind)
main.add_command(undelete)
main.add_command(orphans)
main.add_command(release_deletions)
main.add_command(resume_rollout)
main.add_command(confirm_api_server)
