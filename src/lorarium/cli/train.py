"""`lorarium train`: a LoRA from pictures."""

from __future__ import annotations

from pathlib import Path

import click

from lorarium.bases.holding import BaseToOpen, Holding
from lorarium.cli.common import (
    base_options,
    checkpointing_flag,
    force_flag,
    json_flag,
    need_torch,
    print_json,
    quiet_flag,
    seed_option,
)


@click.command("train")
@click.argument("pictures", nargs=-1, required=True)
@click.option(
    "-o", "--out", default="lora.safetensors", show_default=True, help="The file to write."
)
@click.option(
    "--prompt",
    help="What the pictures show; {} is each one's own caption (a .txt beside it). "
    "[default: a {} in sty1]",
)
@click.option("--base", metavar="FILE|NAME", help="The base model. [default: micro-1]")
@click.option("--rank", type=int, help="Rank of the factors. [default: 8]")
@click.option("--alpha", type=float, help="Strength: alpha / rank. [default: the rank]")
@click.option("--steps", type=int, help="Training steps. [default: 400]")
@click.option("--batch", type=int, help="Pictures of a step. [default: 8]")
@click.option(
    "--lr", type=float, help="Learning rate. [default: 0.01, a subject 0.005, muon 0.0025]"
)
@click.option("--optimizer", help="adam or muon. [default: muon for styles of micro-2]")
@click.option("--targets", help="Modules: attention, linear or all. [default: linear]")
@click.option("--text-encoder", is_flag=True, help="Adapt the text encoder too.")
@click.option("--prior", type=float, help="Weight of pictures that keep the class as it was.")
@click.option("--prior-prompt", help="What those show. [default: the prompt without its name]")
@click.option(
    "--mirror/--no-mirror",
    default=None,
    help="Show mirror images too. [default: for styles of micro-1]",
)
@click.option("--resume", is_flag=True, help="Go on with an interrupted run.")
@checkpointing_flag
@base_options
@click.option("--no-sheet", is_flag=True, help="Make no sheet of samples.")
@seed_option
@force_flag
@json_flag
@quiet_flag
def command(
    pictures: tuple[str, ...],
    out: str,
    prompt: str | None,
    base: str | None,
    prior_prompt: str | None,
    mirror: bool | None,
    resume: bool,
    holding: Holding,
    no_sheet: bool,
    seed: int,
    force: bool,
    as_json: bool,
    quiet: bool,
    **numbers: float | str | bool | None,
) -> None:
    """Train a LoRA from pictures (files or folders).

    The result is an ordinary file, with a sheet of samples (.png) beside it. Ctrl-C loses
    nothing: the same command with --resume goes on. The defaults are micro-1's; on other bases
    they are rank 16, 1000 steps of one picture, rate 0.0001.

    \b
    lorarium train drawings/ --prompt "a {} in sty1" -o ink.safetensors
    lorarium train my-cat/ --prompt "a sub1 cat" --steps 300 -o cat.safetensors
    """
    need_torch("train")
    from lorarium.cli.progress import bar
    from lorarium.training.run import PROMPT, train

    chosen = {name: value for name, value in numbers.items() if value is not None}
    if "rank" in chosen:
        chosen.setdefault("alpha", float(chosen["rank"]))
    try:
        with bar("training", quiet or as_json) as show:
            adapter = train(
                pictures,
                out,
                prompt=prompt or PROMPT,
                base=BaseToOpen(base, holding),
                recipe=chosen,
                seed=seed,
                prior_prompt=prior_prompt,
                mirror=mirror,
                resume=resume,
                force=force,
                sheet=not no_sheet,
                progress=lambda step, steps, loss: show(step, steps, f"loss {loss:.4f}"),
            )
    except KeyboardInterrupt:
        if Path(f"{out}.checkpoint").exists():
            click.echo(
                f"kept in {out}.checkpoint: the same command with --resume goes on", err=True
            )
        raise
    if as_json:
        facts = {"path": out, "family": adapter.family, "modules": len(adapter)}
        print_json(facts | {"metadata": dict(adapter.metadata)})
    elif not quiet:
        click.echo(f"wrote {out}: {len(adapter)} modules of {adapter.family}")
