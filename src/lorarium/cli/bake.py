"""`lorarium bake`."""

from __future__ import annotations

from pathlib import Path

import click

from lorarium import formats
from lorarium.adapter import Adapter
from lorarium.cli.common import force_flag, json_flag, plain, print_json, quiet_flag, split_weight
from lorarium.cli.progress import bar
from lorarium.formats.checkpoint import open_checkpoint
from lorarium.formats.families import FAMILIES
from lorarium.mergers.bake import bake


@click.command("bake")
@click.argument("base", metavar="BASE", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True, metavar="ADAPTER[:w]...")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Output file.")
@click.option("--partial", is_flag=True, help="Leave out modules that the checkpoint lacks.")
@force_flag
@json_flag
@quiet_flag
def command(
    base: Path,
    inputs: tuple[str, ...],
    out: Path,
    partial: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a checkpoint with LoRAs added, tensor by tensor."""
    names, weights = zip(*map(split_weight, inputs), strict=True)
    adapters = [read_for(name, base) for name in names]
    with bar("bake", quiet or as_json) as show:
        done = bake(
            base,
            adapters,
            weights,
            out=out,
            partial=partial,
            progress=show,
            force=force,
            inputs=names,
        )
    if as_json:
        left_out = [{"name": name, "reason": reason} for name, reason in done.left_out]
        print_json({"path": str(out), **vars(done), "left_out": left_out})
    elif not quiet:
        rest = f"; left out: {len(done.left_out)}" if done.left_out else ""
        click.echo(
            f"{plain(str(out))}: {done.family}, {done.changed} of {done.tensors} tensors changed "
            f"by {done.modules} modules{rest}"
        )
        for name, reason in done.left_out[:20]:
            click.echo(f"  {plain(name)}: {plain(reason)}")


def read_for(name: str, base: Path) -> Adapter:
    """An adapter; one that fits no family we know is read by the names of the checkpoint's."""
    adapter = formats.read(name)
    if adapter.family != "unknown":
        return adapter
    family = open_checkpoint(base).family
    return formats.read(name, family) if family in FAMILIES else adapter
