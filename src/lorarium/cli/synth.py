"""`lorarium synth`: a LoRA from pictures without training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lorarium.bases.holding import BaseToOpen, Holding
from lorarium.cli.common import (
    adopted_option,
    base_options,
    force_flag,
    json_flag,
    need_torch,
    print_json,
    quiet_flag,
    seed_option,
    split_weight,
)
from lorarium.cli.suggest import Choice
from lorarium.errors import LorariumError

if TYPE_CHECKING:
    from lorarium.synthesis.make import SynthesisResult


@click.command("synth")
@click.argument("pictures", nargs=-1)
@click.option(
    "-o", "--out", default="synth.safetensors", show_default=True, help="The file to write."
)
@click.option(
    "--kind", default="style", show_default=True, type=Choice(["style", "subject"]),
    help="What the pictures share: the hand, or who is shown.",
)  # fmt: skip
@click.option("--rank", type=int, help="Rank of the factors. [default: the generator's]")
@click.option(
    "--refine", default=0, show_default=True, metavar="N", help="Go on training for N steps."
)
@click.option("--prompt", help='What the pictures show, for --refine. [default: "a {} in sty1"]')
@click.option("--like", metavar="FILE", help="Take what this LoRA draws for pictures.")
@click.option("--between", nargs=2, metavar="A B", help="LoRAs on the way from A to B.")
@click.option("--count", default=1, show_default=True, help="How many between A and B.")
@click.option(
    "--edit", "edits", multiple=True, metavar="NAME:AMOUNT", help="Move along a direction."
)
@click.option("--edits", "list_edits", is_flag=True, help="List the directions and stop.")
@click.option("--base", metavar="FILE|NAME", help="The base model. [default: micro-1]")
@base_options
@click.option("--no-sheet", is_flag=True, help="Make no sheet of samples.")
@seed_option
@force_flag
@adopted_option
@json_flag
@quiet_flag
def command(
    pictures: tuple[str, ...],
    out: str,
    kind: str,
    rank: int | None,
    refine: int,
    prompt: str | None,
    like: str | None,
    between: tuple[str, str] | None,
    count: int,
    edits: tuple[str, ...],
    list_edits: bool,
    base: str | None,
    holding: Holding,
    no_sheet: bool,
    seed: int,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make a LoRA from pictures (files or folders) at once, without training.

    The result is an ordinary file, with a sheet of samples (.png) beside it. It says how far the
    pictures are from anything that the generator has seen.

    \b
    lorarium synth drawings/ -o ink.safetensors
    lorarium synth my-cat/ --kind subject --prompt "a sub1 cat in photo" --refine 20
    lorarium synth --between ink.safetensors oil.safetensors --count 3
    """
    need_torch("synth")
    if list_edits:
        return _list(kind, as_json)
    if between:
        if pictures or like or edits or refine:
            raise click.UsageError("--between takes two LoRAs and nothing else to start from")
        return _between(between, Path(out), count, rank, force, as_json, quiet)
    if count != 1:
        raise click.UsageError("--count goes with --between")
    from lorarium.synthesis.run import synthesize_files

    result = synthesize_files(
        pictures,
        out,
        kind=kind,
        like=like,
        edits=_amounts(edits),
        rank=rank,
        refine=refine,
        prompt=prompt,
        base=BaseToOpen(base, holding),
        seed=seed,
        sheet=not no_sheet,
        force=force,
    )
    for words in () if as_json else result.warnings:
        click.echo(f"warning: {words}", err=True)
    if as_json:
        print_json({"path": out, **facts(result)})
    elif not quiet:
        click.echo(f"wrote {out}: {len(result.adapter)} modules in {result.seconds:.2f} s")
        click.echo(
            f"the pictures are {result.distance:.2f} times as far from anything seen as is usual"
        )


def facts(result: SynthesisResult) -> dict[str, Any]:
    """What --json says of a generated adapter."""
    return {
        "family": result.adapter.family,
        "modules": len(result.adapter),
        "rank": int(result.adapter.metadata["ss_network_dim"]),
        "distance": round(result.distance, 4),
        "nearer": round(result.nearer, 4),
        "agreement": [round(v, 4) for v in result.agreement],
        "warnings": list(result.warnings),
        "seconds": round(result.seconds, 4),
        "metadata": dict(result.adapter.metadata),
    }


def _amounts(edits: tuple[str, ...]) -> dict[str, float]:
    amounts = dict(split_weight(text) for text in edits)
    if len(amounts) < len(edits):
        raise LorariumError("an edit is named twice")
    return amounts


def _list(kind: str, as_json: bool) -> None:
    from lorarium.synthesis.make import directions
    from lorarium.synthesis.store import load_synth

    names = directions(load_synth(), kind)
    if as_json:
        print_json({"kind": kind, "edits": names})
    else:
        click.echo("\n".join(names))


def _between(
    ends: tuple[str, str],
    out: Path,
    count: int,
    rank: int | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    from lorarium.formats import read, write
    from lorarium.formats.target import check_adapter_target
    from lorarium.synthesis.between import between

    width = len(str(count))
    numbered = [out.with_stem(f"{out.stem}-{i + 1:0{width}}") for i in range(count)]
    paths = [out] if count == 1 else numbered
    for path in paths:
        check_adapter_target(path, "", inputs=ends, force=force)
    adapters = between(read(ends[0]), read(ends[1]), count, rank=rank)
    for adapter, path in zip(adapters, paths, strict=True):
        write(adapter, path, force=force, inputs=ends)
    names = [str(path) for path in paths]
    if as_json:
        print_json(
            {"paths": names, "errors": [float(a.metadata["lorarium.error"]) for a in adapters]}
        )
    elif not quiet:
        click.echo(f"wrote {names[0]}" + (f" to {names[-1]}" if count > 1 else ""))
