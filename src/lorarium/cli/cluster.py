"""`lorarium cluster`."""

from __future__ import annotations

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

SHOWN = 5


@click.command("cluster")
@library_option
@where_option
@click.option(
    "--least",
    "min_size",
    type=click.IntRange(2),
    default=3,
    show_default=True,
    help="Smallest cluster.",
)
@json_flag
@quiet_flag
def command(
    library: str | None, where: str | None, min_size: int, as_json: bool, quiet: bool
) -> None:
    """Group the LoRAs of a library by what they do.

    The groups are named by words of their metadata.
    """
    here = Library(library)
    clusters = here.clusters(where, least=min_size)
    if as_json:
        print_json({"clusters": [cluster.to_json() for cluster in clusters]})
    elif not quiet:
        for cluster in clusters:
            title = f"{cluster.name} ({len(cluster.paths)} {cluster.family})"
            click.echo(click.style(one_line(title), bold=True))
            for path in cluster.paths[:SHOWN]:
                click.echo("  " + near_path(path))
            if len(cluster.paths) > SHOWN:
                click.echo(f"  and {len(cluster.paths) - SHOWN} more")
        inside = sum(len(cluster.paths) for cluster in clusters)
        total = len(here.to_arrow(where))
        click.echo(f"{len(clusters)} clusters hold {inside} of {total} files")
