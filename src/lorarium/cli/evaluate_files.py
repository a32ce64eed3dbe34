"""`lorarium evaluate files`: which of some LoRAs is best, and whether that can be told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lorarium.bases.holding import BaseToOpen, Holding
from lorarium.cli.common import (
    base_options,
    force_flag,
    json_flag,
    need_torch,
    plain,
    print_json,
    quiet_flag,
    seed_option,
    split_weight,
)
from lorarium.errors import LorariumError, need_packages
from lorarium.formats.families.embedded import ships

if TYPE_CHECKING:
    from lorarium.evaluation.files.protocol import References
    from lorarium.evaluation.judging.open_judge import ChatAccess


@click.command("files")
@click.argument("files", nargs=-1, required=True, metavar="FILE[:w]...")
@click.option("--refs", metavar="DIR", help="Pictures of the subject that the files learned.")
@click.option("--style-refs", metavar="DIR", help="Pictures in the style that they learned.")
@click.option("--prompts", required=True, metavar="FILE", help="A prompt on each line.")
@click.option("--judge", "judges", multiple=True, metavar="JUDGE",
              help="a, b, reporter, a judge's file or folder, embedding:FOLDER or chat:MODEL@URL; "
              "again for more. [default: b, on micro-1]")  # fmt: skip
@click.option("--strangers", metavar="DIR", help="Pictures of others, near ones: what a judge must "
              "say no to, and what embedding judges take their threshold from.")  # fmt: skip
@click.option("--base", metavar="FILE|NAME", help="The base that draws. [default: micro-1]")
@click.option("-n", "--count", type=click.IntRange(1, 1000), default=4, show_default=True,
              help="Pictures of each prompt.")  # fmt: skip
@click.option("--steps", default=20, show_default=True, help="Sampling steps.")
@click.option("--guidance", type=float, help="How strictly to follow. [default: the base's own]")
@click.option("--size", type=int, help="Pixels of a side, where the base can choose.")
@base_options
@click.option("--budget", metavar="LIMITS", help="Of chat judges, over all runs in this folder: "
              "requests=500,tokens=2000000,money=1.50, or some of these.")  # fmt: skip
@click.option("--price", metavar="Q,A", help="Of a million tokens of questions, and of answers.")
@click.option("--votes", type=click.IntRange(1, 99), default=2, show_default=True,
              help="Votes of a chat judge on each pair, in changing order.")  # fmt: skip
@click.option("--points", is_flag=True, help="Let chat judges rate from 0 to 100.")
@click.option("--paper", is_flag=True, help="Ask as MARS² does: one vote, the reference first.")
@click.option("--subject-words", default="", metavar="TEXT", help="What the subject is called.")
@click.option("--style-words", default="", metavar="TEXT", help="What the style is called.")
@click.option("--chat-option", "options", multiple=True, metavar="NAME=JSON",
              help="More for a chat request; null leaves one out. Again for more.")  # fmt: skip
@click.option("--key-env", default="LORARIUM_CHAT_KEY", show_default=True, metavar="NAME",
              help="The environment variable that holds the key.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0.1, 3600), default=120.0, show_default=True,
              help="Seconds for a chat request.")  # fmt: skip
@click.option("--parallel", type=click.IntRange(1, 64), default=4, show_default=True,
              help="Chat requests at a time.")  # fmt: skip
@click.option("--ask-again", is_flag=True,
              help="Also ask what may have been paid already and brought no answer.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only count what chat judges would be asked.")
@click.option("--download", is_flag=True, help="Let embedding:NAME be fetched from the hub.")
@click.option("-o", "--out", default="evaluate-files", show_default=True,
              help="The folder for files.json, .html and .png, and all that is kept.")  # fmt: skip
@seed_option
@force_flag
@json_flag
@quiet_flag
def files(
    files: tuple[str, ...], refs: str | None, style_refs: str | None, prompts: str,
    judges: tuple[str, ...], strangers: str | None, base: str | None, count: int, steps: int,
    guidance: float | None, size: int | None, holding: Holding, dry_run: bool, download: bool,
    out: str, seed: int, force: bool, as_json: bool, quiet: bool, **chat: Any,
) -> None:  # fmt: skip
    """Checkpoints of one run, or merges of one pair: which is best, and can that be told?

    All files draw the same prompts, four at least, from the same noise. Judges compare every
    picture with every reference. An interrupted run goes on, and so does a finished one with
    --force: nothing is drawn or paid twice.

    \b
    lorarium evaluate files ink-*.safetensors --style-refs drawings/ --prompts prompts.txt
    lorarium evaluate files a.safetensors b.safetensors --refs cat/ --style-refs ink/ \\
      --prompts prompts.txt --judge chat:qwen2.5-vl@http://localhost:8000/v1 --budget requests=2000
    """
    need_torch("evaluate files")
    need_packages("`lorarium evaluate files`", ("scipy",), "library")
    from lorarium.bases.base import at_hand
    from lorarium.cli.progress import bar
    from lorarium.evaluation.files import drawing
    from lorarium.evaluation.files.page import page, summary, write_sheet
    from lorarium.evaluation.files.protocol import count_questions, evaluate_files
    from lorarium.evaluation.judging.open_judge import CHAT, open_judges
    from lorarium.formats.target import check_target, write_atomically

    silent, folder = quiet or as_json, Path(out)
    for name in (
        ("files.json", "files.html", "files.png") if folder.is_dir() and not dry_run else ()
    ):
        check_target(folder / name, force=force)
    settings = drawing.DrawSettings(
        drawing.read_prompts(Path(prompts)), count, steps, guidance, size, seed
    )
    rows = drawing.contenders([split_weight(name) for name in files])
    with bar("Evaluating", silent or dry_run) as asking:
        access = _access(chat, seed, lambda done, total: asking(done, total, ""))
        if not (refs or style_refs):
            raise LorariumError(
                "no references", where="--refs",
                hint="--refs has pictures of the subject, --style-refs pictures in the style",
            )  # fmt: skip
        if dry_run:
            judges = tuple(name for name in judges if name.startswith(CHAT))
        # judges first: a misspelt one is said before a base is loaded and pictures are read
        with open_judges(
            judges if judges or dry_run else ("b",), folder, access,
            device=holding.device, download=download,
        ) as judge_list:  # fmt: skip
            model = at_hand(BaseToOpen(base, holding))
            if not judges and not dry_run and not ships(model.family):
                raise LorariumError(
                    f"no judge of ours knows {model.family}", where="--judge",
                    hint="name embedding:FOLDER or chat:MODEL@URL",
                )  # fmt: skip
            references = _references(refs, style_refs, strangers, size or model.size)
            if dry_run:
                plans = count_questions(
                    rows, references, judge_list, settings, model, folder / "drawn"
                )
                _show_plans(plans, as_json)
                return
            document = evaluate_files(
                model, rows, references, judge_list, settings, folder / "drawn",
                progress=asking, say=lambda words: None if silent else click.echo(words, err=True),
            )  # fmt: skip
    drawn = drawing.DrawnPictures(model, folder / "drawn", settings)
    write_sheet(folder / "files.png", rows, drawn, references.of, force=force)
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    write_atomically(folder / "files.json", [text.encode()], force=force)
    html = page(document, "files.png")
    write_atomically(folder / "files.html", [html.encode()], force=force)
    if as_json:
        print_json({"folder": out, **document})
    elif not quiet:
        click.echo(summary(document))
        click.echo(f"wrote files.json, files.html and files.png in {plain(out)}")


def _access(chat: dict[str, Any], seed: int, progress: Any) -> ChatAccess:
    from lorarium.evaluation.judging.budget import Budget, Price, parse_budget, parse_price
    from lorarium.evaluation.judging.chat_judge import ChatSettings
    from lorarium.evaluation.judging.open_judge import ChatAccess
    from lorarium.evaluation.judging.wording import POINTS, YES_NO

    price = parse_price(chat["price"]) if chat["price"] else None
    settings = ChatSettings(
        scale=POINTS if chat["points"] else YES_NO,
        votes=1 if chat["paper"] else chat["votes"],
        paper=chat["paper"],
        subject=chat["subject_words"],
        style=chat["style_words"],
        seed=seed,
        options=dict(_option(text) for text in chat["options"]),
    )
    return ChatAccess(
        key_variable=chat["key_env"],
        budget=parse_budget(chat["budget"], price) if chat["budget"] else Budget(),
        price=price or Price(),
        timeout=chat["timeout"],
        parallel=chat["parallel"],
        ask_again=chat["ask_again"],
        settings=settings,
        progress=progress,
    )


def _option(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        raise LorariumError(
            f"{text[:60]!r} is no NAME=JSON", where="--chat-option", hint="such as top_p=0.9"
        ) from None


def _references(
    refs: str | None, style_refs: str | None, strangers: str | None, size: int
) -> References:
    from lorarium.evaluation.files.protocol import References
    from lorarium.pictures import picture_files, read_pictures

    folders = {"subject": refs, "style": style_refs}
    picture_paths = {aspect: picture_files([path]) for aspect, path in folders.items() if path}
    return References(
        {aspect: read_pictures(paths, size) for aspect, paths in picture_paths.items()},  # type: ignore[misc]
        {aspect: tuple(p.name for p in paths) for aspect, paths in picture_paths.items()},  # type: ignore[misc]
        read_pictures(picture_files([strangers]), size) if strangers else None,
    )


def _show_plans(plans: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json({"plans": plans})
        return
    if not plans:
        click.echo("no chat judge is named: nothing would be asked")
    for plan in plans:
        bound = "" if plan["exact"] else "at most "
        click.echo(
            f"{plain(plan['judge'])}: {plan['questions']} questions, {bound}{plan['unpaid']} of "
            f"them to be paid: up to {plan['at_most_tokens']} tokens, {plan['at_most_money']} in "
            f"money; {plan['books']['requests']} requests and {plan['books']['money']} so far"
        )
