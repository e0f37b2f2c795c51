"""Do the tests bite? Each broken variant of the protocol is counted, and the operator that ships is not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

import broken
import stories
from evidence import verdict
from neon_sandbox.controlplane import ControlPlane
from neon_sandbox.emulator.postgres.server import PostgresServer
from scene import playing
from stories import Story, Telling
from verdict import Verdict
from verdict.judgement import COUNTS


@dataclass(frozen=True)
class Variant:
    """A broken operator, the story that shows it, and what must be counted of it."""

    module: str
    story: Story
    count: str
    logins: bool = False
    """Whether the story needs a PostgreSQL behind Neon."""
    forgiven: frozenset[str] = frozenset()
    """What the story makes the operator that ships do, too: it breaks the assumption on time."""


MAIN: Final = (
    Variant("without_intent", stories.killed_while_the_create_is_under_way, "doubled"),
    Variant("intent_without_cas", stories.two_operators_see_it_at_once, "doubled"),
    Variant("post_on_anothers_intent", stories.killed_while_the_create_is_under_way, "doubled"),
    Variant("timeout_clears_the_intent", stories.deleted_while_the_create_is_under_way, "leaked"),
    Variant("incomplete_list_is_empty", stories.deleted_while_the_list_is_incomplete, "leaked"),
    Variant("released_while_an_intent_is_alive", stories.deleted_while_the_create_is_under_way, "leaked"),
    Variant("finalizer_not_first", stories.deleted_while_the_create_is_under_way, "leaked"),
    Variant(
        "available_before_the_login",
        stories.neon_is_slow_and_somebody_knocks,
        "available_untrue",
        logins=True,
    ),
    Variant("password_reset_implicitly", stories.the_secret_is_lost, "passwords_reset"),
    Variant("secret_logged", stories.the_secret_is_lost, "secrets_seen"),
    Variant("secret_of_another_adopted", stories.the_secrets_name_is_taken, "secrets_overwritten"),
    Variant("ownership_not_proven", stories.a_forged_status_names_a_stranger, "touched_not_ours"),
    Variant("predecessor_not_looked_for", stories.made_again_after_its_finalizer_was_taken, "replaced"),
    Variant("missing_project_replaced", stories.its_project_vanishes, "doubled"),
    Variant("retain_ignored", stories.deleted_with_the_policy_retain, "deleted_against_spec"),
)

LATE: Final = (
    Variant(
        "no_relisting",
        stories.a_second_create_after_a_crash,
        "doubled_at_rest",
        forgiven=frozenset({"doubled"}),
    ),
)
"""Longer, since they wait for the ends of intents."""


async def told(
    variant: Variant, module: str | None, folder: Path, plane: ControlPlane, postgres: PostgresServer
) -> Verdict:
    """The verdict on the story, with the operator that ships where no module breaks it."""
    database = postgres if variant.logins else None
    async with playing(plane, database, folder, scanned=module is None) as scene:
        await scene.create_tier("free")
        await variant.story(Telling(scene, module))
        await scene.stop_operators()
        return await verdict(scene, reported=module is None and not variant.forgiven)


_shipped: dict[Story, Verdict] = {}
"""One for each story is enough."""


@pytest.mark.parametrize(
    "variant",
    [*MAIN, *(pytest.param(variant, marks=pytest.mark.long) for variant in LATE)],
    ids=lambda variant: variant.module,
)
async def test_a_broken_operator_is_counted_and_the_one_that_ships_is_not(
    variant: Variant, plane: ControlPlane, postgres: PostgresServer, tmp_path: Path
) -> None:
    folders = (tmp_path / "broken", tmp_path / "shipped")
    for folder in folders:
        folder.mkdir()
    both = [told(variant, f"broken.{variant.module}", folders[0], plane, postgres)]
    if variant.story not in _shipped:
        both.append(told(variant, None, folders[1], plane, postgres))
    found, *shipped = await asyncio.gather(*both)
    for one in shipped:
        _shipped[variant.story] = one
    good = _shipped[variant.story]
    wrong = {name: count for name, count in good.counts.items() if count and name not in variant.forgiven}
    assert wrong == {}, good.problems
    assert good.facts["writes of resources"] >= 2
    assert not variant.logins or good.facts["probes of a standing claim"] >= 1
    assert found.counts[variant.count] > 0, found.counts


def test_every_module_that_breaks_the_operator_is_played_and_told() -> None:
    assert broken.__file__ is not None
    modules = {file.stem for file in Path(broken.__file__).parent.glob("*.py")} - {"__init__"}
    assert {variant.module for variant in (*MAIN, *LATE)} == modules
    page = (Path(__file__).parents[1] / "verdict" / "README.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    told = {row.split("`")[1]: row.rpartition(" | ")[2] for row in rows}
    assert list(told) == list(COUNTS)
    for variant in (*MAIN, *LATE):
        assert f"`{variant.module}`" in told[variant.count]
