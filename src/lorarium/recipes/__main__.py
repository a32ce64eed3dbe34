"""Run a stage: `python -m lorarium.recipes STAGE --device cpu|cuda --minutes N`.

`next` is the first stage that has something left to do.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

import click

from lorarium.bases.device import resolve_device
from lorarium.cli import fail
from lorarium.errors import LorariumError, TimeIsOver
from lorarium.recipes import OF_A_BASE, STAGES
from lorarium.recipes.workplace import Workplace


@click.command()
@click.argument("stage", type=click.Choice([*STAGES, "next"]))
@click.option("--device", default="cpu", type=click.Choice(["cpu", "cuda"]), help="Where to run.")
@click.option("--minutes", default=30.0, show_default=True, help="Time box; run again to go on.")
@click.option("--cool", is_flag=True, help="Let micro2's rates fall over this call, its last.")
def command(stage: str, device: str, minutes: float, cool: bool) -> None:
    """Make what ships, stage by stage; each goes on where it stopped."""
    try:
        name = following() if stage == "next" else stage
        if name is None:
            click.echo("nothing is due")
            return
        resolve_device(device)
        click.echo(f"stage {name} on {device} for {minutes:g} minutes")
        place = Workplace.shipped(device) if name in OF_A_BASE else device
        if cool and name != "micro2":
            raise LorariumError(f"{name} has no --cool")
        module(name).run(place, minutes, **({"cool": True} if cool else {}))
    except TimeIsOver as over:
        click.echo(str(over))
    except LorariumError as error:
        fail(str(error))


def module(name: str) -> ModuleType:
    if importlib.util.find_spec(STAGES[name]) is None:
        raise LorariumError(f"stage {name} is not written yet")
    return importlib.import_module(STAGES[name])


def following() -> str | None:
    """The first stage that is due."""
    for name, where in STAGES.items():
        if importlib.util.find_spec(where) is None:
            continue
        due = getattr(module(name), "due", None)
        if due is not None and due():
            return name
    return None


if __name__ == "__main__":
    command()
