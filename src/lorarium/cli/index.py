"""`lorarium index`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lorarium.cli.common import (
    json_flag,
    library_option,
    near_path,
    one_line,
    print_json,
    quiet_flag,
)
from lorarium.cli.progress import bar
from lorarium.errors import LorariumError
from lorarium.library import Library, sample

if TYPE_CHECKING:
    from lorarium.library import Indexed
    from lorarium.library.preview_index import PreviewReport

SHOWN = 20


@click.command("index")
@click.argument("folders", nargs=-1, metavar="DIR...")
@library_option
@click.option("--sample", "with_sample", is_flag=True, help="Also the adapters that come along.")
@click.option("--watch", is_flag=True, help="Go on, and index again whenever something changes.")
@click.option(
    "--workers", type=click.IntRange(0), help="Processes; 0 for none but this. [default: cores]"
)
@click.option(
    "--previews",
    metavar="MODEL",
    help="Also search preview pictures, by this CLIP or SigLIP from now on; none forgets it.",
)
@click.option("--ray", metavar="ADDRESS", help="Read the files on this Ray cluster.")
@json_flag
@quiet_flag
def command(
    folders: tuple[str, ...],
    library: str | None,
    with_sample: bool,
    watch: bool,
    workers: int | None,
    previews: str | None,
    ray: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Put every LoRA below folders into a library, or bring it up to date with them.

    Only what is new or has changed is read. A file that cannot be read is listed and does not stop
    the others. It can be ended at any time; the next run goes on.

    \b
    lorarium index loras/
    lorarium index loras/ --watch
    lorarium index --sample
    """
    if with_sample:
        folders = (*folders, str(sample().folder))
    if not folders:
        raise LorariumError("which folder?", hint="name one, or --sample for those that come along")
    here = Library(library)
    if watch:
        if as_json or ray is not None:
            raise LorariumError("--watch goes with neither --json nor --ray")

        def on_report(report: Indexed) -> None:
            if not quiet:
                show(report, len(here) if report.seconds else None)  # else it did not come to it
            here.refresh()

        here.watch(folders, on_report, workers=workers, previews=previews)
        return
    with bar("reading", quiet or as_json) as progress:
        report = here.index(folders, workers=workers, ray=ray, previews=previews, progress=progress)
    if as_json:
        counts = {"library": str(here.folder), "files": len(here), **report.to_json()}
        print_json(counts | {"families": dict(here.families())})
    elif not quiet:
        show(report, len(here))


def show(report: Indexed, total: int | None) -> None:
    for path, error in report.bad[:SHOWN]:
        click.echo(one_line(f"  {near_path(path)}: {error}" if path else f"  {error}"))
    if len(report.bad) > SHOWN:
        more = len(report.bad) - SHOWN
        click.echo(f"  and {more} more: lorarium search --where \"error != ''\"")
    for folder in report.closed:
        click.echo(one_line(f"  {folder}: cannot be opened; what was known of it is kept"))
    if total is None:
        return
    if report.previews:
        show_previews(report.previews)
    names = ("new", "changed", "moved", "gone", "unchanged")
    done = ", ".join(f"{getattr(report, n):,} {n}" for n in names if getattr(report, n))
    bad = f", {len(report.bad):,} cannot be used" if report.bad else ""
    click.echo(f"{done or 'nothing new'}{bad}; {total:,} files, {report.seconds:.1f} s")


def show_previews(report: PreviewReport) -> None:
    counts = {"new": report.embedded, "gone": report.gone, "cannot be read": report.bad}
    done = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    if report.note or done:
        click.echo(one_line(report.note or f"previews: {done}"))
