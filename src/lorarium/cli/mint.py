"""`lorarium mint`: many LoRAs at once."""

from __future__ import annotations

from pathlib import Path

import click

from lorarium.bases.holding import BaseToOpen, Holding
from lorarium.cli.common import (
    base_options,
    checkpointing_flag,
    json_flag,
    need_torch,
    print_json,
    quiet_flag,
)


@click.command("mint")
@click.option("--recipe", required=True, metavar="FILE.toml", help="What to train, as data.")
@click.option("-o", "--out", default="zoo", show_default=True, help="The folder to fill.")
@click.option("--resume", is_flag=True, help="Go on with a folder that holds some already.")
@checkpointing_flag
@base_options
@click.option("--base", metavar="FILE|NAME", help="The base model. [default: micro-1]")
@click.option("--batch", type=click.IntRange(1), help="Adapters at once. [default: 8, GPU 192]")
@click.option("--workers", type=click.IntRange(1), help="Processes. [default: one a core]")
@click.option("--minutes", type=float, help="Stop after the batch in which they are over.")
@json_flag
@quiet_flag
def command(
    recipe: str,
    out: str,
    resume: bool,
    holding: Holding,
    base: str | None,
    batch: int | None,
    workers: int | None,
    minutes: float | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train many LoRAs at once from a recipe.

    Each finished adapter is a file of its own, the same as if it had been trained alone.

    \b
    lorarium mint --recipe zoo.toml -o zoo
    lorarium mint --recipe zoo.toml -o zoo --resume
    """
    need_torch("mint")
    from lorarium.bases.base import at_hand
    from lorarium.cli.progress import bar
    from lorarium.training.manifest import read_manifest
    from lorarium.training.mint import mint

    manifest = read_manifest(Path(recipe))
    model = at_hand(BaseToOpen(base, holding))
    with bar("minting", quiet or as_json) as show:
        done = mint(
            manifest,
            Path(out),
            model,
            resume=resume,
            batch=batch,
            minutes=minutes,
            workers=workers,
            progress=show,
        )
    if as_json:
        counts = {"made": done.made, "there": done.there, "left": done.left}
        print_json({"folder": out, **counts, "seconds": round(done.seconds, 2)})
    elif not quiet:
        left = f", {done.left} are left" if done.left else ""
        click.echo(f"made {done.made} adapters in {done.seconds:.0f} s{left}")
