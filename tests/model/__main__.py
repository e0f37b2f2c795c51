"""Prints the table of variants: `make model`."""

from __future__ import annotations

import sys

import click

from model.variants import VARIANTS


@click.command()
@click.option("--long", "with_long", is_flag=True, help="Those that take minutes, too.")
@click.option("--trace", is_flag=True, help="The shortest way into each violation.")
def main(with_long: bool, trace: bool) -> None:
    """Explores each variant of the protocol and says what it found. Fails where that is not as expected."""
    wrong = 0
    for variant in VARIANTS:
        if variant.long and not with_long:
            click.echo(f"{variant.name:56} not run: --long")
            continue
        verdict = variant.run()
        wrong += verdict.rule != variant.broken
        shown = f"{verdict.broken}, in {len(verdict.trace)} steps" if verdict.broken else "holds"
        surprise = "" if verdict.rule == variant.broken else f"   EXPECTED {variant.broken or 'holds'}"
        click.echo(f"{variant.name:56} {shown} ({verdict.states} states){surprise}")
        for number, label in enumerate(verdict.trace if trace else (), 1):
            click.echo(f"    {number:2}. {label}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
