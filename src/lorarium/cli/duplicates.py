"""`lorarium duplicates`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from lorarium.cli.common import (
    json_flag,
    library_option,
    near_path,
    one_line,
    print_json,
    quiet_flag,
    where_option,
)
from lorarium.library import Library

if TYPE_CHECKING:
    from lorarium.library.copies import Group

COPIES = ("identical bytes", "same weights")
EXPLAINED = {
    "identical bytes": "copies byte for byte",
    "same weights": "copies: another dialect, number type, padding or other factors",
    "cut down": "no copies: rank or modules are missing",
    "scaled or negated": "no copies: the same at another strength",
    "near": "no copies: much alike",
}


@click.command("duplicates")
@library_option
@where_option
@json_flag
@quiet_flag
def command(library: str | None, where: str | None, as_json: bool, quiet: bool) -> int:
    """Find files that hold the same LoRA.

    The file named first in a group is the original, with the reason; all copies could be made from
    it. Files that were cut down, scaled, or are only near, are shown and not counted. Exits with 1
    when there are copies. Nothing is ever deleted.
    """
    groups = Library(library).duplicates(where)
    many = copies(groups)
    if as_json:
        bytes_to_win = spare(groups)
        document = {"groups": [group.to_json() for group in groups], "copies": many}
        print_json({**document, "bytes": bytes_to_win, "bytes_to_win": bytes_to_win})
    elif not quiet:
        for line in lines(groups):
            click.echo(line)
    return 1 if many else 0


def copies(groups: Sequence[Group]) -> int:
    return sum(len(group.copies) for group in groups if group.name in COPIES)


def spare(groups: Sequence[Group]) -> int:
    return sum(group.bytes_to_win for group in groups)


def lines(groups: Sequence[Group]) -> Iterator[str]:
    """The groups for people, class by class."""
    for name, members in groupby(groups, key=lambda group: group.name):
        yield click.style(f"{name.upper()} ({EXPLAINED[name]})", bold=True)
        for group in members:
            yield f"{click.style(near_path(group.keeper), bold=True)}: {one_line(group.reason)}"
            for copy in group.copies:
                source = f" (of {near_path(copy.source)})" if copy.source else ""
                yield f"  {near_path(copy.path)}: {one_line(', '.join(copy.changes))}{source}"
        yield ""
    if not groups:
        yield "no duplicates"
        return
    files = copies(groups)
    many = "no copies" if not files else "1 copy" if files == 1 else f"{files} copies"
    gain = f", {spare(groups) / 2**20:.1f} MiB to win" if files else ""
    others = sum(len(group.copies) for group in groups) - files
    more = f"; {others} more that {'is' if others == 1 else 'are'} no copy" if others else ""
    yield many + gain + more
