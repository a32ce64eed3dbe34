"""`lorarium evaluate vote`: blind sheets, a page to vote on, and the tally of votes."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lorarium.cli.common import SEED, force_flag, json_flag, print_json, quiet_flag
from lorarium.cli.suggest import Choice, Group
from lorarium.errors import need_packages


@click.group("vote", cls=Group)
def command() -> None:
    """Blind votes: sheets whose rows nobody can tell apart, and what voters say of them.

    \b
    lorarium evaluate vote make drawn --kind style -o sheets --key key.json
    lorarium evaluate vote page sheets -o vote.html
    lorarium evaluate vote tally sheets answers --key key.json
    """


@command.command("make")
@click.argument("folder", metavar="FOLDER")
@click.option("--kind", type=Choice(["style", "subject", "merge", "pair"]), default="style",
              show_default=True, help="What is asked.")  # fmt: skip
@click.option("-o", "--out", default="sheets", show_default=True, help="An empty folder.")
@click.option("--key", metavar="FILE", help="Where the key goes. [default: OUT-key.json]")
@click.option("--tile", type=click.IntRange(160, 640), default=160, show_default=True,
              help="Side of a picture on the sheet, in pixels.")  # fmt: skip
@click.option(
    "--seed", type=SEED, metavar="N", help="Seed of the order. [default: one that nobody knows]"
)
@json_flag
@quiet_flag
def make(
    folder: str, kind: str, out: str, key: str | None, tile: int, seed: int | None, as_json: bool,
    quiet: bool,
) -> None:  # fmt: skip
    """Sheets of the pictures in FOLDER/TARGET/ROW, beside references in
    FOLDER/TARGET/reference-style or reference-subject. Rows called `true` and `strangers` are
    controls.

    \b
    lorarium evaluate vote make drawn --kind subject -o sheets
    """
    _need_pictures()
    from lorarium.evaluation.vote import make_sheets, read_ballots

    sealed = Path(key) if key else Path(out).with_name(Path(out).name + "-key.json")
    ballots = read_ballots(Path(folder), kind, tile)
    sheets = make_sheets(ballots, Path(out), sealed, seed=seed, tile=tile)
    if as_json:
        print_json({"folder": out, "key": str(sealed), "sheets": sheets})
    elif not quiet:
        click.echo(f"wrote {len(sheets)} sheets to {out}; the key is {sealed}")


@command.command("page")
@click.argument("sheets", metavar="SHEETS")
@click.option("-o", "--out", default="vote.html", show_default=True, help="The page.")
@click.option("--sheet", "only", multiple=True, metavar="NAME",
              help="Only this sheet; give it again for more.")  # fmt: skip
@force_flag
@json_flag
@quiet_flag
def page(
    sheets: str, out: str, only: tuple[str, ...], force: bool, as_json: bool, quiet: bool
) -> None:
    """One HTML file to vote on, by keyboard, without a network. It saves the answers as JSON.

    \b
    lorarium evaluate vote page sheets -o vote.html
    """
    _need_pictures()
    from lorarium.evaluation.vote import write_page

    write_page(Path(sheets), Path(out), only, force=force)
    if as_json:
        print_json({"page": out, "bytes": Path(out).stat().st_size})
    elif not quiet:
        click.echo(f"wrote {out}")


@command.command("tally")
@click.argument("sheets", metavar="SHEETS")
@click.argument("answers", metavar="ANSWERS...", nargs=-1, required=True)
@click.option("--key", required=True, metavar="FILE", help="The key that was sealed.")
@click.option("--part", type=Choice(["all", "free", "held"]), default="all",
              show_default=True,
              help="All targets, or those not held back, or the others.")  # fmt: skip
@click.option("--judge", "judges", multiple=True, metavar="FILE",
              help="A judge's verdicts to compare; give it again for more.")  # fmt: skip
@click.option("-o", "--out", metavar="FILE", help="Write the figures as JSON too.")
@click.option("--seed", type=SEED, metavar="N", default=0, show_default=True,
              help="Seed of the intervals.")  # fmt: skip
@force_flag
@json_flag
@quiet_flag
def tally(
    sheets: str, answers: tuple[str, ...], key: str, part: str, judges: tuple[str, ...],
    out: str | None, seed: int, force: bool, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """How often each row is accepted, with intervals; who agrees with whom; who fails the controls.
    ANSWERS are files of voters, or folders of them.

    \b
    lorarium evaluate vote tally sheets answers --key key.json --judge judge-b.json
    """
    _need_pictures()
    need_packages("`lorarium evaluate vote tally`", ("sklearn",), "library")
    from lorarium.evaluation.vote import count_votes, summary
    from lorarium.formats.target import check_target, write_atomically

    inputs = [sheets, *answers, key, *judges]
    if out:
        check_target(out, inputs=inputs, force=force, suffixes=(".json",))
    document = count_votes(
        Path(sheets), [Path(path) for path in answers], Path(key), part=part,
        judges=[Path(path) for path in judges], seed=seed,
    )  # fmt: skip
    if out:
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        write_atomically(out, [text.encode()], force=force, inputs=inputs)
    if as_json:
        print_json(document)
    elif not quiet:
        click.echo(summary(document))


def _need_pictures() -> None:
    need_packages("`lorarium evaluate vote`", ("PIL",), "torch")
