"""`lorarium forecast`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from lorarium import formats
from lorarium.cli.common import json_flag, need_torch, one_line, plain, print_json, quiet_flag
from lorarium.errors import LorariumError
from lorarium.mergers.forecast import Forecast, forecast
from lorarium.mergers.foretold import Expected, foretell, safest

SHOWN = 6  # blocks


@click.command("forecast")
@click.argument("inputs", nargs=-1, required=True, metavar="A B...")
@click.option("--drafts", is_flag=True, help="Draw a few steps of each way first: surer.")
@json_flag
@quiet_flag
def command(inputs: tuple[str, ...], drafts: bool, as_json: bool, quiet: bool) -> None:
    """Say whether LoRAs will go together, before anything is rendered.

    \b
    lorarium forecast cat.safetensors ink.safetensors
    lorarium forecast cat.safetensors ink.safetensors --drafts

    Of each input: how much of it survives a merge, and how much others disturb it where it
    acts (0 as if alone, 1 when they do as much there as it does). Subjects first, the style last.
    For a subject and a style of the embedded base, also the share of pictures to pass as either
    and as both, by each way of merging; `merge --method auto` takes the best.
    """
    if drafts:
        need_torch("forecast --drafts")
    adapters = [formats.read(name) for name in inputs]
    found, note = forecast(adapters), ""
    try:
        expected = foretell(adapters, drafts=drafts)
    except LorariumError as error:
        expected, note = [], f"{error.what}; by facts alone: {safest(found)}"
    if as_json:
        rates = [
            {"method": e.way.method, "weights": e.way.weights, "subject": e.subject,
             "style": e.style, "both": e.both}
            for e in expected
        ]  # fmt: skip
        choice = expected[0].way.method if expected else safest(found)
        print_json({
            "inputs": list(inputs), "expected": rates, "choice": choice, "note": note,
            **asdict(found),
        })  # fmt: skip
    elif not quiet:
        _print(found, [Path(name).name for name in inputs])
        _print_expected(expected, note)


def _print(found: Forecast, names: list[str]) -> None:
    for k, (name, norm) in enumerate(zip(names, found.norms, strict=True)):
        click.echo(f"{k + 1}  {one_line(name)}, norm {norm:.3g}")
    pairs = [
        f"{i + 1} and {j + 1} {found.cosines[i][j]:+.2f}"
        for i in range(len(names)) for j in range(i + 1, len(names))
    ]  # fmt: skip
    click.echo(f"{found.shared} modules are changed by all; cosines: {', '.join(pairs)}")
    head = "".join(f"{f'{k + 1} survives':>12}{'disturbed':>11}" for k in range(len(names)))
    click.echo(f"\n{'method':10}{head}")
    for outcome in found.outcomes:
        pairs_of = zip(outcome.survives, outcome.disturbed, strict=True)
        click.echo(f"{outcome.method:10}" + "".join(f"{s:12.2f}{d:11.2f}" for s, d in pairs_of))
    for method, why in found.left_out.items():
        click.echo(f"{method:10}left out: {plain(why)}")
    worst = sorted(found.blocks, key=lambda b: -max(b.disturbed))[:SHOWN]
    click.echo(f"\n{'where the sum collides most':30}{'disturbed':>{11 * len(names)}}")
    for block in worst:
        values = "".join(f"{d:11.2f}" for d in block.disturbed)
        click.echo(f"{plain(block.name)[:29]:30}{values}")


def _print_expected(expected: Sequence[Expected], note: str) -> None:
    click.echo(
        f"\n{note}" if note else f"\n{'to be expected, of pictures':30}subject  style   both"
    )
    for e in expected:
        click.echo(f"{e.way.name:30}{e.subject:7.2f}{e.style:7.2f}{e.both:7.2f}")
