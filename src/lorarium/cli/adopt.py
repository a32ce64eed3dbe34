"""`lorarium adopt`: all that is learned, for any base."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lorarium.bases.holding import BaseToOpen, Holding
from lorarium.cli.common import base_options, json_flag, need_torch, print_json, quiet_flag
from lorarium.cli.suggest import Choice

if TYPE_CHECKING:
    from lorarium.recipes.adoption.plan import Plan

TOPICS = ("describe", "merge", "synth")
STAGES = (
    "survey", "tune", "inside", "zoo", "describe", "merge", "roles", "forecast", "synth", "examine",
)  # fmt: skip


@click.command("adopt")
@click.argument("base")
@click.option(
    "--plan", "only_plan", is_flag=True, help="Measure for a minute and say what it takes."
)
@click.option(
    "--on", "elsewhere", metavar="MACHINE",
    help='Plan for a family (sd1, sdxl, flux1...) on another machine, like "24GB 70TFLOPS".',
)  # fmt: skip
@click.option(
    "--only", "topics", multiple=True, type=Choice(list(TOPICS)), help="Make no more than this."
)
@click.option("--stage", type=Choice(list(STAGES)), help="Go on with this stage alone.")
@click.option(
    "--minutes", type=click.FloatRange(0), help="Stop after so long; the first call plans for it."
)
@click.option(
    "--share", type=click.FloatRange(0.01, 1.0),
    help="How much to make: 1 as for the base that ships. [default: what the minutes allow]",
)  # fmt: skip
@click.option(
    "--pictures", metavar="DIR",
    help="Learn from pictures of your own too: DIR/styles/NAME, DIR/subjects/NAME.",
)  # fmt: skip
@click.option(
    "--size", type=click.IntRange(8), metavar="PIXELS",
    help="Learn from pictures of this size, which takes less. [default: the base's own]",
)  # fmt: skip
@click.option("-o", "--out", metavar="DIR", help="The base's folder. [default: among the adopted]")
@click.option("--name", help="What to call it. [default: from the base's name]")
@base_options
@json_flag
@quiet_flag
def command(
    base: str,
    only_plan: bool,
    elsewhere: str | None,
    topics: tuple[str, ...],
    stage: str | None,
    minutes: float | None,
    share: float | None,
    pictures: str | None,
    size: int | None,
    out: str | None,
    name: str | None,
    holding: Holding,
    as_json: bool,
    quiet: bool,
) -> None:
    """Learn for a base what ships for the embedded one: search by words and pictures, merging by
    roles, LoRA.rar's network, forecasts, LoRAs from pictures.

    It takes hours, and may be stopped at any time: the same command goes on. What it makes lies in
    a folder, with a page that says what is worth using; every command then finds it by the base.

    \b
    lorarium adopt models/my-sdxl --plan
    lorarium adopt models/my-sdxl --minutes 480 --device cuda --dtype bfloat16
    lorarium adopt models/my-sdxl --only merge
    """
    need_torch("adopt")
    if elsewhere is not None:
        return _plan_elsewhere(base, elsewhere, size, topics, minutes, share, as_json)
    from lorarium.recipes.adoption.adopt import adopt, begin, plan_of

    adoption = begin(BaseToOpen(base, holding), Path(out) if out else None, name, size)
    own = Path(pictures) if pictures is not None else None
    if only_plan:
        plan, _ = plan_of(adoption, topics, minutes, share, own)
        if as_json:
            print_json(
                {"base_hash": adoption.base.hash, "folder": str(adoption.folder), **plan.as_json()}
            )
        else:
            click.echo("\n".join([*_words(plan), f"into {adoption.folder}"]))
        return
    silent = quiet or as_json
    adopted = adopt(
        adoption, only=topics, stage=stage, minutes=minutes, share=share, pictures=own,
        say=(lambda words: None) if silent else click.echo,
    )  # fmt: skip
    if as_json:
        print_json({"folder": str(adopted.folder), "files": adopted.files(), **adopted.card})
    elif not quiet:
        click.echo(f"adopted: {adopted.folder / 'adopted.html'}")


def _plan_elsewhere(
    family: str, where: str, size: int | None, topics: tuple[str, ...], minutes: float | None,
    share: float | None, as_json: bool,
) -> None:  # fmt: skip
    from lorarium.recipes.adoption import counting
    from lorarium.recipes.adoption.stages import chosen

    machine, counted_base = counting.machine(where), counting.count(family, size)
    plan, _ = counting.plan_on(counted_base, machine, chosen(topics), minutes, share)
    needs = counting.memory(counted_base)
    least = min(needs.values())
    if as_json:
        about = {"family": family, "memory": needs, "fits in memory": least <= machine.memory}
        print_json({**about, **plan.as_json()})
        return
    whole, offloaded = (f"{needs[way] / 1e9:.1f} GB" for way in ("all", "offload"))
    lines = [
        *_words(plan),
        f"{counted_base.operations / 1e12:.2f} TFLOP a prediction at {counted_base.size} pixels",
        f"memory in bfloat16: {whole}, with --offload {offloaded}",
    ]
    if least > machine.memory:
        lines.append(f"that does not fit {machine.memory / 1e9:g} GB: it cannot be adopted there")
    click.echo("\n".join(lines))


def _words(plan: Plan) -> list[str]:
    lines = [f"{name:10}{seconds / 3600:7.2f} h" for name, seconds in plan.seconds.items()]
    gigabytes = plan.bytes / 1e9
    lines.append(f"{'in all':10}{plan.hours:7.2f} h, {plan.adapters} adapters, {gigabytes:.1f} GB")
    lines.append(f"{plan.effort.share:g} of a whole effort")
    if not plan.fits:
        lines.append("that is more than the minutes allow; several calls make it")
    return lines
