"""`lorarium duplicates`."""

from __future__ import annotations

import click

from lorarium.cli.common import (
    json_flag,
    library_option,
    one_line,
    print_json,
    quiet_flag,
    where_option,
)
from lorarium.library import Library


@click.command("duplicates")
@library_option
@where_option
@json_flag
@quiet_flag
def command(library: str | None, where: str | None, as_json: bool, quiet: bool) -> int:
    """Find files that hold the same LoRA, and say what makes them different.

    The file named first in a group is the finest: all others could be made from it. Exits with 1
    when there are duplicates. Nothing is ever deleted.
    """
    groups = Library(library).duplicates(where)
    spare = sum(copy.size for group in groups for copy in group.copies)
    files = sum(len(group.copies) for group in groups)
    if as_json:
        found = [group.to_json() for group in groups]
        print_json({"groups": found, "copies": files, "bytes": spare})
    elif not quiet:
        for group in groups:
            click.echo(click.style(one_line(group.keep), bold=True))
            for copy in group.copies:
                click.echo(f"  {one_line(copy.path)}: {one_line(', '.join(copy.changes))}")
        if groups:
            click.echo(f"{files} copies in {len(groups)} groups, {spare / 2**20:.1f} MiB")
        else:
            click.echo("no duplicates")
    return 1 if groups else 0
