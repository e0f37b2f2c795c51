"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, TypeAlias

import click

from neon_tenants.settings import ENVIRONMENT_PREFIX

Command: TypeAlias = Callable[..., None]
Option: TypeAlias = Callable[[Command], Command]

CLUSTER: Final[tuple[Option, ...]] = (
    click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar=f"{ENVIRONMENT_PREFIX}KUBECONFIG",
        show_envvar=True,
        help="Kubeconfig to use. Left out: $KUBECONFIG, or ~/.kube/config.",
    ),
    click.option(
        "--context",
        "kube_context",
        envvar=f"{ENVIRONMENT_PREFIX}KUBE_CONTEXT",
        show_envvar=True,
        metavar="NAME",
        help="Context of the kubeconfig. Left out: its current one.",
    ),
)
"""Which cluster a person means; they come as `kubeconfig` and `kube_context`."""


def gathered(name: str, options: Iterable[Option], gather: Callable[[dict[str, Any]], Any]) -> Option:
    """Gives a command these options as one argument, which `gather` makes of what was given, by popping."""

    def decorate(command: Command) -> Command:
        def wrapped(**given: Any) -> None:
            command(**{name: gather(given)}, **given)

        wrapped.__doc__, wrapped.__name__ = command.__doc__, command.__name__
        return with_options(options)(wrapped)

    return decorate


def with_options(options: Iterable[Option]) -> Option:
    """Gives a command these options, in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(tuple(options)):
            command = option(command)
        return command

    return decorate
