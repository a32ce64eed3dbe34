"""`lorarium render`: pictures from prompts and LoRAs."""

from __future__ import annotations

from pathlib import Path

import click

from lorarium.bases.holding import BaseToOpen, Holding
from lorarium.cli.common import (
    base_options,
    force_flag,
    json_flag,
    need_torch,
    print_json,
    quiet_flag,
    seed_option,
    split_weight,
)


@click.command("render")
@click.option("--prompt", "prompts", multiple=True, required=True, help="What to draw; repeatable.")
@click.option("--lora", "loras", multiple=True, metavar="FILE[:w]", help="A LoRA and its weight.")
@click.option("--schedule", metavar="FILE", help="Weights over steps and blocks, as JSON rules.")
@click.option("--base", metavar="FILE|NAME", help="The base model. [default: micro-1]")
@click.option("-n", "--count", default=1, show_default=True, help="Pictures of each prompt.")
@click.option("--steps", default=20, show_default=True, help="Sampling steps.")
@click.option("--guidance", type=float, help="How strictly to follow. [default: the base's own]")
@click.option("--grid", "as_grid", is_flag=True, help="One sheet, a row for each prompt.")
@click.option("--scale", default=1, show_default=True, help="Enlarge each pixel so many times.")
@click.option("--size", type=int, help="Pixels of a side, where the base can choose.")
@base_options
@click.option("-o", "--out", default="render.png", show_default=True, help="The PNG to write.")
@seed_option
@force_flag
@json_flag
@quiet_flag
def command(
    prompts: tuple[str, ...],
    loras: tuple[str, ...],
    schedule: str | None,
    base: str | None,
    count: int,
    steps: int,
    guidance: float | None,
    as_grid: bool,
    scale: int,
    size: int | None,
    holding: Holding,
    out: str,
    seed: int,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make pictures from a prompt and LoRAs.

    Several pictures without --grid are numbered. The PNG carries how it was made.

    \b
    lorarium render --prompt "a cat in ink"
    lorarium render --prompt "a cat in sty1" --lora ink.safetensors:0.8 -n 4 --grid --scale 4
    """
    need_torch("render")
    from lorarium.bases.base import at_hand
    from lorarium.bases.render import file_hash, render, render_paths, save_render
    from lorarium.cli.progress import bar

    weighted = [split_weight(text) for text in loras]
    if not 1 <= scale <= 64:
        raise click.UsageError(f"--scale is {scale}, use 1 to 64")
    render_paths(Path(out), len(prompts) * count, as_grid, force=force)
    model = at_hand(BaseToOpen(base, holding))
    with bar("rendering", quiet or as_json) as show:
        pictures = render(
            prompts,
            loras=weighted,
            schedule=schedule or (),
            base=model,
            count=count,
            steps=steps,
            guidance=guidance,
            seed=seed,
            size=size,
            progress=lambda done, total: show(done, total, ""),
        )
    settings: dict[str, object] = {
        "base": model.family,
        "base_hash": model.hash,
        "loras": [{"sha256": file_hash(name), "weight": weight} for name, weight in weighted],
        "steps": steps,
        "guidance": model.guidance if guidance is None else guidance,
        "seed": seed,
    }
    if schedule:
        settings["schedule_sha256"] = file_hash(schedule)
    written_paths = save_render(pictures, Path(out), prompts, settings, as_grid, scale, force=force)
    paths = [str(path) for path in written_paths]
    if as_json:
        print_json({"paths": paths, **settings})
    elif not quiet:
        path_range = paths[0] if len(paths) == 1 else f"{paths[0]} to {paths[-1]}"
        click.echo(f"wrote {path_range}")
