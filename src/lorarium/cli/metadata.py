"""`lorarium metadata`: show what a file says about itself, or change it."""

from __future__ import annotations

import click

from lorarium.cli.common import force_flag, json_flag, one_line, print_json, quiet_flag
from lorarium.formats.container import load
from lorarium.formats.edit import edit_metadata

SHOWN = 200  # characters of one value; --json shows all


@click.command("metadata")
@click.argument("file")
@click.option("--set", "put", multiple=True, metavar="KEY=VALUE", help="Add or change an entry.")
@click.option("--remove", multiple=True, metavar="KEY", help="Take an entry out.")
@click.option("-o", "--out", metavar="FILE", help="Write there instead of changing FILE.")
@force_flag
@json_flag
@quiet_flag
def command(
    file: str,
    put: tuple[str, ...],
    remove: tuple[str, ...],
    out: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Show or edit the metadata of a LoRA file.

    The tensors are copied as they are, bit for bit; without -o the file is replaced in one step,
    and --force is for -o alone.

    \b
    lorarium metadata ink.safetensors
    lorarium metadata ink.safetensors --set modelspec.author=Ada --remove ss_session_id
    """
    changes = {}
    for item in put:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--set wants KEY=VALUE, not '{item}'")
        changes[key] = value
    if changes or remove or out:
        metadata = edit_metadata(file, out, put=changes, remove=remove, force=force)
    else:
        metadata = dict(load(file).metadata)
    if as_json:
        print_json({"path": out or file, "metadata": metadata})
    elif not quiet:
        for key in sorted(metadata):
            click.echo(f"{one_line(key, 80)}: {one_line(metadata[key], SHOWN)}")
        if not metadata:
            click.echo("no metadata")
