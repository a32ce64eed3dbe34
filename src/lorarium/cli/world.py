"""`lorarium world`: look at the drawn world."""

from __future__ import annotations

from pathlib import Path

import click

from lorarium.cli.common import force_flag, json_flag, print_json, quiet_flag, seed_option
from lorarium.cli.suggest import Group
from lorarium.errors import missing_extra, need_packages


@click.group("world", cls=Group)
def command() -> None:
    """Look at the drawn world: subjects x styles, and its words."""


@command.command("sheet")
@click.option("--subjects", default="16", show_default=True, metavar="N|WORD,WORD...", help="Rows.")
@click.option(
    "--styles", default="16", show_default=True, metavar="N|WORD,WORD...", help="Columns."
)
@click.option("--size", default=96, show_default=True, help="Pixels of a picture.")
@click.option("--labels/--no-labels", default=True, show_default=True, help="Words at the edges.")
@click.option("-o", "--out", default="world.png", show_default=True, help="The PNG to write.")
@seed_option
@force_flag
@json_flag
@quiet_flag
def sheet(
    subjects: str,
    styles: str,
    size: int,
    labels: bool,
    out: str,
    seed: int,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Draw subjects x styles as one PNG.

    \b
    lorarium world sheet -o world.png
    lorarium world sheet --subjects cat,castle --styles ink,neon --size 400
    """
    need_packages("`lorarium world sheet`", ("PIL",), "torch")
    try:
        from lorarium.bases.sheet import world_sheet
    except ModuleNotFoundError as error:
        raise missing_extra(f"`lorarium world sheet` needs {error.name}", "torch") from None

    rows, columns = world_sheet(Path(out), subjects, styles, size, seed, labels, force=force)
    if as_json:
        print_json({"path": out, "subjects": rows, "styles": columns, "size": size, "seed": seed})
    elif not quiet:
        click.echo(f"wrote {out}: {len(rows)} subjects x {len(columns)} styles")


@command.command("words")
@json_flag
def words(as_json: bool) -> None:
    """List the words that prompts of micro-1 may use."""
    from lorarium.world import words as language
    from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES

    kinds = {
        "subjects": list(SEEN_CLASSES),
        "styles": list(SEEN_GENRES),
        "colours": list(language.COLOURS),
        "marks": list(language.MARKS),
        "free names": [*language.SUBJECT_TOKENS, *language.STYLE_TOKENS],
    }
    if as_json:
        print_json({"words": kinds})
        return
    for kind, names in kinds.items():
        click.echo(f"{kind}: {' '.join(names)}")
    click.echo("example: a spotted red cat in ink")
