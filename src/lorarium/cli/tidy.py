"""`lorarium tidy`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
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
from lorarium.cli.suggest import Choice
from lorarium.errors import LorariumError
from lorarium.formats.programs import PROGRAMS
from lorarium.library import Library

if TYPE_CHECKING:
    from lorarium.library.tidy import Tidied
    from lorarium.library.tidy_plan import Plan


@click.command("tidy")
@click.option("--plan", "action", flag_value="plan", help="Say what could go, and write it down.")
@click.option("--apply", "action", flag_value="apply", help="Carry out the plan.")
@click.option("--undo", "action", flag_value="undo", help="Put back what the last run moved.")
@click.option("--also", "also", multiple=True, metavar="WHY", help="Choose these of the plan too.")
@click.option(
    "--for",
    "program",
    type=Choice(PROGRAMS),
    help="Plan conversions to what this program loads, too.",
)
@click.option(
    "--rename",
    "pattern",
    default="",
    metavar="PATTERN",
    help="Plan names by a pattern, too: '{title} {rank}'.",
)
@click.option("--file", metavar="FILE", help="The plan. [default: tidy.json in the library]")
@click.option("--run", default="", metavar="NAME", help="Which run to undo. [default: the last]")
@click.option("--yes", is_flag=True, help="Do not ask.")
@library_option
@json_flag
@quiet_flag
def command(
    action: str | None,
    also: tuple[str, ...],
    program: str | None,
    pattern: str,
    file: str | None,
    run: str,
    yes: bool,
    library: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Put copies, dead and broken files into a trash, to be undone.

    Wrong suffixes are mended too, and files converted and renamed where that is asked for.

    First --plan, which changes nothing: look at what it says, set "chosen" in its file as you like,
    then --apply. Files go to a trash folder in the library, and --undo puts them back; nothing is
    deleted. Files that were cut down are in the plan, but go only when chosen.

    \b
    lorarium tidy --plan --for comfyui --rename "{title} r{rank}"
    lorarium tidy --apply
    """
    if (program or pattern) and action != "plan":
        raise LorariumError("--for and --rename ask for a plan", hint="lorarium tidy --plan ...")
    place = Library(library)
    from lorarium.library.tidy import local_folder

    path = Path(file) if file else local_folder(place.store) / "tidy.json"
    if action == "plan":
        plan = chosen_too(place.tidy_plan(program=program or "", pattern=pattern), also)
        plan.save(path, force=not file)  # in the library's folder a new plan replaces the last
        if as_json:
            print_json({**plan.to_json(), "file": str(path)})
        elif not quiet:
            for line in plan_lines(plan, path):
                click.echo(line)
        return 0
    if action == "apply":
        from lorarium.library.tidy_plan import Plan

        plan = chosen_too(Plan.load(path), also)
        _ask(yes, question(plan, one_line(str(place.folder))))
        return show(place.tidy(plan), "moved", as_json, quiet)
    if action == "undo":
        return show(place.untidy(run), "put back", as_json, quiet)
    raise LorariumError("say what to do", hint="--plan, then --apply; --undo takes it back")


def chosen_too(plan: Plan, also: tuple[str, ...]) -> Plan:
    """The plan with all items of some sorts chosen."""
    from dataclasses import replace

    from lorarium.library.tidy_plan import REASONS

    if unknown := [why for why in also if why not in REASONS]:
        raise LorariumError(
            f"no item is {one_line(unknown[0])!r}", hint="one of: " + ", ".join(REASONS)
        )
    items = tuple(replace(i, chosen=i.chosen or i.why in also) for i in plan.items)
    return replace(plan, items=items)


def _ask(yes: bool, question: str) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise LorariumError("nobody is here to be asked", hint="--yes carries the plan out")
    click.confirm(question, abort=True)


def question(plan: Plan, folder: str) -> str:
    """What carrying out a plan would do, to be said yes to."""
    from lorarium.library.tidy_plan import CONVERTED, MISNAMED, RENAMED

    reasons = [item.why for item in plan.chosen]
    names, dialects = sum(r in (MISNAMED, RENAMED) for r in reasons), reasons.count(CONVERTED)
    parts = [
        ("move", len(reasons) - names - dialects, f" to the trash of {folder}"),
        ("rename", names, ""),
        ("convert", dialects, ", with the old ones to the trash"),
    ]
    words = [f"{verb} {_files(count)}{where}" for verb, count, where in parts if count]
    text = ", ".join(words) or "do nothing"
    return f"{text[0].upper()}{text[1:]}?"


def plan_lines(plan: Plan, path: Path) -> Iterator[str]:
    """The plan for people."""
    for why, items in groupby(plan.items, key=lambda item: item.why):
        yield click.style(why.upper(), bold=True)
        for item in items:
            mark = "x" if item.chosen else " "
            to = f" → {one_line(Path(item.to).name)}" if item.to not in ("", item.path) else ""
            size = f", {item.bytes_to_win / 2**20:.1f} MiB" if item.bytes_to_win else ""
            yield f"  [{mark}] {near_path(item.path)}{to}: {one_line(item.reason, 500)}{size}"
    if not plan.items:
        yield "nothing to tidy"
        return
    yield ""
    yield (
        f"{_files(len(plan.chosen))} of {len(plan.items)} chosen, "
        f"{plan.bytes_to_win / 2**20:.1f} MiB to win"
    )
    yield f"`lorarium tidy --apply` carries out {near_path(str(path))}"


def show(done: Tidied, verb: str, as_json: bool, quiet: bool) -> int:
    if as_json:
        print_json(done.to_json())
    elif not quiet:
        for path, problem in done.problems:
            click.echo(f"{near_path(path)}: {one_line(problem, 500)}")
        run = f" (run {done.run})" if done.run else ""
        click.echo(f"{_files(len(done.moved))} {verb}{run}")
    return 1 if done.problems else 0


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
