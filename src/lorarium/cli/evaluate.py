"""`lorarium evaluate`: measure descriptors, merges and generators where the truth is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from lorarium.bases.holding import BaseToOpen, Holding
from lorarium.cli.common import (
    base_options,
    force_flag,
    json_flag,
    need_torch,
    print_json,
    quiet_flag,
    seed_option,
)
from lorarium.cli.evaluate_files import files
from lorarium.cli.evaluate_vote import command as vote
from lorarium.cli.progress import bar
from lorarium.cli.suggest import Choice, Group
from lorarium.errors import LorariumError, need_packages

split_option = click.option(
    "--split", type=Choice(["test", "validation", "train"]), default="test", show_default=True,
    help="Which part of the folder.",
)  # fmt: skip
judge_option = click.option(
    "--judge", metavar="JUDGE", default="b", show_default=True,
    help="Who reports: a, b, reporter, a judge's file, or its folder.",
)  # fmt: skip


@click.group("evaluate", cls=Group)
def command() -> None:
    """Measure descriptors, merges and generators where the truth is known.

    Or files of any base with judges of your own, or anything by blind votes.
    """


command.add_command(files)
command.add_command(vote)


@command.command("describe")
@click.option("--refs", required=True, metavar="DIR", help="A folder made by `lorarium mint`.")
@split_option
@click.option("--judge", metavar="JUDGE", default="b", show_default=True,
              help="Whose features compete: of a, b, a judge's file, or its folder.")  # fmt: skip
@click.option("--base", metavar="FILE|NAME", help="The base that draws. [default: micro-1]")
@click.option(
    "--samples",
    type=click.IntRange(0, 64),
    default=6,
    show_default=True,
    help="Pictures that each adapter draws; 0 leaves the rows of samples out.",
)
@click.option("--quick", is_flag=True, help="A dozen artists, and no samples.")
@base_options
@click.option(
    "-o", "--out", default="evaluate-describe", show_default=True,
    help="The folder for describe.json, describe.html and the samples.",
)  # fmt: skip
@seed_option
@force_flag
@json_flag
@quiet_flag
def describe(
    refs: str,
    split: str,
    judge: str,
    base: str | None,
    samples: int,
    quick: bool,
    holding: Holding,
    out: str,
    seed: int,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Every descriptor on artists it never saw: retrieval, clusters, maps, and other questions.

    An interrupted run goes on with the samples that are there.

    \b
    lorarium evaluate describe --refs zoo --quick
    lorarium evaluate describe --refs zoo -o figures --json
    """
    _ready("describe", judge)
    need_packages("`lorarium evaluate describe`", ("sklearn",), "library")
    from lorarium.bases.base import at_hand
    from lorarium.evaluation.describe import Options, evaluate_describe
    from lorarium.evaluation.describe.page import page, summary

    options = Options(split, judge, samples, seed=seed)
    options = options.quick() if quick else options
    folder = _folder(out, "describe", force)

    def say(words: str) -> None:
        if not (quiet or as_json):
            click.echo(words, err=True)

    document = evaluate_describe(
        Path(refs),
        folder / "samples",
        options,
        base=at_hand(BaseToOpen(base, holding)) if options.samples else None,
        say=say,
    )
    summary_text = None if quiet else summary(document)
    _keep(document, page(document), summary_text, folder / "describe", force, as_json)


@command.command("merge")
@click.argument("zoo", metavar="ZOO")
@split_option
@judge_option
@click.option("--base", metavar="FILE|NAME", help="The base that draws. [default: micro-1]")
@click.option("--only", multiple=True, metavar="ROW", help="Only this row; give it again for more.")
@click.option("--subjects", metavar="RECIPE", help="Recipe of the subjects. [default: the usual]")
@click.option("--styles", metavar="RECIPE", help="Recipe of the styles. [default: the usual]")
@click.option("--quick", is_flag=True, help="Four cells of four pictures, and nothing else.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True,
              help="Processes that merge and draw.")  # fmt: skip
@base_options
@click.option(
    "-o", "--out", default="evaluate-merge", show_default=True,
    help="The folder for merge.json, merge.html, merge.png and what was drawn.",
)  # fmt: skip
@seed_option
@force_flag
@json_flag
@quiet_flag
def merge(
    zoo: str, split: str, judge: str, base: str | None, only: tuple[str, ...],
    subjects: str | None, styles: str | None, quick: bool, workers: int, holding: Holding, out: str,
    seed: int, force: bool, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Every merge method on subjects x styles of a minted folder that nothing was trained on.

    An interrupted run goes on with what was drawn.

    \b
    lorarium evaluate merge zoo --quick
    lorarium evaluate merge zoo -o figures --json
    """
    _ready("merge", judge)
    from lorarium.bases.base import at_hand
    from lorarium.evaluation.merge import Options, evaluate_merge
    from lorarium.evaluation.merge.page import page, summary

    options = Options(split, judge, recipes=(subjects, styles), only=only, seed=seed)
    options = options.quick() if quick else options
    folder = _folder(out, "merge", force)
    silent = quiet or as_json
    with bar("Drawing", silent) as show:
        document = evaluate_merge(
            Path(zoo), folder / "drawn", at_hand(BaseToOpen(base, holding)), options,
            workers=workers, sheet=folder / "merge.png", force=force, progress=show,
            say=lambda words: None if silent else click.echo(words, err=True),
        )  # fmt: skip
    summary_text = None if quiet else summary(document)
    _keep(document, page(document), summary_text, folder / "merge", force, as_json)


@command.command("synth")
@click.option("--refs", metavar="DIR", help="A minted folder, for the mean and nearest adapter.")
@click.option("--split", type=Choice(["test", "validation"]), default="test", show_default=True,
              help="Artists and individuals of which part.")  # fmt: skip
@judge_option
@click.option("--base", metavar="FILE|NAME", help="The base that draws. [default: micro-1]")
@click.option("--generator", metavar="FILE", help="Another generator than the shipped one.")
@click.option(
    "--kind", "kinds", multiple=True, type=Choice(["style", "subject"]), help="One kind only."
)
@click.option("--quick", is_flag=True, help="Four artists and four cells: a trial.")
@base_options
@click.option(
    "-o", "--out", default="evaluate-synth", show_default=True,
    help="The folder for synth.json, synth.html and the samples.",
)  # fmt: skip
@seed_option
@force_flag
@json_flag
@quiet_flag
def synth(
    refs: str | None,
    split: str,
    judge: str,
    base: str | None,
    generator: str | None,
    kinds: tuple[str, ...],
    quick: bool,
    holding: Holding,
    out: str,
    seed: int,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """LoRAs made from pictures at once, beside training and every simple way, on artists and
    individuals nobody learned from.

    An interrupted run goes on with the samples that are there.

    \b
    lorarium evaluate synth --quick
    lorarium evaluate synth --refs zoo -o figures --json
    """
    _ready("synth", judge)
    from dataclasses import replace

    from lorarium.bases.base import at_hand
    from lorarium.evaluation.describe.zoo import read_zoo
    from lorarium.evaluation.synth import Options, evaluate_synth
    from lorarium.evaluation.synth.page import page, summary
    from lorarium.synthesis.store import load_synth

    options = Options(split, judge, seed=seed)
    options = options.quick() if quick else options
    options = replace(options, kinds=kinds) if kinds else options
    folder = _folder(out, "synth", force)
    model = at_hand(BaseToOpen(base, holding))

    def say(words: str) -> None:
        if not (quiet or as_json):
            click.echo(words, err=True)

    document = evaluate_synth(
        model,
        load_synth(Path(generator) if generator else None, model),
        folder / "samples",
        options,
        zoo=read_zoo(Path(refs)) if refs else None,
        say=say,
    )
    summary_text = None if quiet else summary(document)
    _keep(document, page(document), summary_text, folder / "synth", force, as_json)


def _ready(name: str, judge: str) -> None:
    """Refuse what could not be measured, before anything is drawn for it."""
    need_torch(f"evaluate {name}")
    from lorarium.evaluation.judges import load_judge

    load_judge(judge)


def _folder(out: str, name: str, force: bool) -> Path:
    """The folder, made if need be, when the figures and the page in it may be written."""
    from lorarium.formats.target import check_target

    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LorariumError(f"cannot be made ({error.strerror})", where=out) from None
    for suffix in (".json", ".html", *([".png"] if name == "merge" else [])):
        check_target(folder / f"{name}{suffix}", force=force)
    return folder


def _keep(
    document: dict[str, Any],
    page: str,
    summary_text: str | None,
    path: Path,
    force: bool,
    as_json: bool,
) -> None:
    """The document and its page as `path`.json and .html; its summary or itself is printed."""
    from lorarium.formats.target import write_atomically

    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    write_atomically(path.with_suffix(".json"), [text.encode()], force=force)
    write_atomically(path.with_suffix(".html"), [page.encode()], force=force)
    if as_json:
        print_json({"folder": str(path.parent), **document})
    elif summary_text is not None:
        click.echo(summary_text)
        click.echo(f"wrote {path}.json and {path}.html")
