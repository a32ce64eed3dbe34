"""`lorarium forecast`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from lorarium import formats
from lorarium.cli.common import adopted_option, json_flag, need_torch, print_json, quiet_flag
from lorarium.errors import LorariumError
from lorarium.forecasts.facts import forecast, forecast_lines
from lorarium.forecasts.rates import PassRates, predict_rates, safest


@click.command("forecast")
@click.argument("inputs", nargs=-1, required=True, metavar="A B...")
@click.option("--drafts", is_flag=True, help="Draw a few steps of each way first: surer.")
@adopted_option
@json_flag
@quiet_flag
def command(inputs: tuple[str, ...], drafts: bool, as_json: bool, quiet: bool) -> None:
    """Say whether LoRAs will go together, before anything is rendered.

    \b
    lorarium forecast cat.safetensors ink.safetensors
    lorarium forecast cat.safetensors ink.safetensors --drafts

    Of each input: how much of it survives a merge, and how much others disturb it where it
    acts (0 as if alone, 1 when they do as much there as it does). Subjects first, the style last.
    For a subject and a style of the embedded or an adopted base, also the share of pictures to
    pass as either and as both, by each way of merging; `merge --method auto` takes the best.
    """
    if drafts:
        need_torch("forecast --drafts")
    adapters = [formats.read(name) for name in inputs]
    report, note = forecast(adapters), ""
    try:
        expected = predict_rates(adapters, drafts=drafts)
    except LorariumError as error:
        expected, note = [], f"{error.what}; by facts alone: {safest(report)}"
    if as_json:
        rates = [
            {"method": e.setting.method, "weights": e.setting.weights, "subject": e.subject,
             "style": e.style, "both": e.both}
            for e in expected
        ]  # fmt: skip
        choice = expected[0].setting.method if expected else safest(report)
        print_json({
            "inputs": list(inputs), "expected": rates, "choice": choice, "note": note,
            **asdict(report),
        })  # fmt: skip
    elif not quiet:
        click.echo("\n".join(forecast_lines(report, [Path(name).name for name in inputs])))
        _print_expected(expected, note)


def _print_expected(expected: Sequence[PassRates], note: str) -> None:
    click.echo(
        f"\n{note}" if note else f"\n{'to be expected, of pictures':30}subject  style   both"
    )
    for e in expected:
        click.echo(f"{e.setting.name:30}{e.subject:7.2f}{e.style:7.2f}{e.both:7.2f}")
