"""`lorarium bases`: the bases that were adopted."""

from __future__ import annotations

import click

from lorarium.adopted import AdoptedBase, adopted_bases, bases_folder, find_base, remove_base
from lorarium.cli.common import json_flag, print_json
from lorarium.errors import LorariumError


@click.command("bases")
@click.argument("name", required=False)
@click.option("--remove", is_flag=True, help="Delete what was made for this base.")
@click.option("--force", is_flag=True, help="Delete it without asking again.")
@json_flag
def command(name: str | None, remove: bool, force: bool, as_json: bool) -> None:
    """List adopted bases: what was made for each, and how large it is.

    \b
    lorarium bases
    lorarium bases my-sdxl --json
    lorarium bases my-sdxl --remove --force
    """
    if remove:
        return _remove(name, force, as_json)
    chosen = adopted_bases() if name is None else [find_base(name)]
    if as_json:
        print_json({"folder": str(bases_folder()), "bases": [_facts(base) for base in chosen]})
    elif not chosen:
        click.echo(f"no base is adopted yet; they would lie in {bases_folder()}")
    for base in [] if as_json else chosen:
        click.echo(f"{base.name}: {base.family}, {base.base_hash[:12]}, {_size(base) / 1e6:.0f} MB")
        click.echo(f"  {', '.join(base.files()) or 'nothing yet'}; {base.folder / 'adopted.html'}")


def _remove(name: str | None, force: bool, as_json: bool) -> None:
    if name is None:
        raise click.UsageError("--remove needs the name of a base")
    base = find_base(name)
    if not force:
        raise LorariumError(
            f"that deletes {_size(base) / 1e6:.0f} MB", where=str(base.folder), hint="add --force"
        )
    remove_base(base)
    if as_json:
        print_json({"removed": str(base.folder)})
    else:
        click.echo(f"removed {base.folder}")


def _facts(base: AdoptedBase) -> dict[str, object]:
    return {**base.card, "folder": str(base.folder), "files": base.files(), "bytes": _size(base)}


def _size(base: AdoptedBase) -> int:
    return sum(path.stat().st_size for path in base.folder.rglob("*") if path.is_file())
