"""`lorarium map`."""

from __future__ import annotations

import click

from lorarium.cli.common import (
    force_flag,
    json_flag,
    library_option,
    one_line,
    print_json,
    quiet_flag,
    seed_option,
    where_option,
)
from lorarium.library import Library


@click.command("map")
@click.option(
    "-o", "--out", default="map.html", show_default=True, help="The .html or .png to write."
)
@library_option
@where_option
@click.option(
    "--color",
    default="cluster",
    show_default=True,
    metavar="FIELD",
    help="What colours mean: cluster, family, rank, tool, folder...",
)
@click.option(
    "--mark",
    "marked",
    multiple=True,
    metavar="FILE",
    help="Ring this file and name it; repeatable.",
)
@seed_option
@force_flag
@json_flag
@quiet_flag
def command(
    out: str,
    library: str | None,
    where: str | None,
    color: str,
    marked: tuple[str, ...],
    seed: int,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Draw every LoRA of a library as a point, like ones together.

    A page works offline, shows what is under the pointer, finds words and colours by any field.
    """
    drawn = Library(library).map(
        out, color=color, where=where, marked=marked, seed=seed, force=force
    )
    if as_json:
        facts = {"path": drawn.path, "points": drawn.points, "layout": drawn.layout}
        print_json(facts | {"families": drawn.families})
    elif not quiet:
        click.echo(one_line(f"{drawn.path}: {drawn.points} adapters, laid out by {drawn.layout}"))
