"""`lorarium duplicates`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from lorarium.library.duplicates import Group


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
    if as_json:
        found = [group.to_json() for group in groups]
        print_json({"groups": found, "copies": copies(groups), "bytes": spare(groups)})
    elif not quiet:
        for line in lines(groups):
            click.echo(line)
    return 1 if groups else 0


def copies(groups: Sequence[Group]) -> int:
    return sum(len(group.copies) for group in groups)


def spare(groups: Sequence[Group]) -> int:
    return sum(copy.size for group in groups for copy in group.copies)


def lines(groups: Sequence[Group]) -> Iterator[str]:
    """The groups for people."""
    for group in groups:
        yield click.style(one_line(group.keep), bold=True)
        for copy in group.copies:
            yield f"  {one_line(copy.path)}: {one_line(', '.join(copy.changes))}"
    if not groups:
        yield "no duplicates"
        return
    files, many = copies(groups), len(groups)
    yield (
        f"{files} {'copy' if files == 1 else 'copies'} in {many} group{'s' if many > 1 else ''}, "
        f"{spare(groups) / 2**20:.1f} MiB"
    )
