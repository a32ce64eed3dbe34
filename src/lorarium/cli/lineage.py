"""`lorarium lineage`."""

from __future__ import annotations

import math
from collections.abc import Iterator
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
from lorarium.library import Library

if TYPE_CHECKING:
    from lorarium.library import Lineage
    from lorarium.library.lineage_answer import HeaderStatement, Merge, Parent


@click.command("lineage")
@click.argument("file", metavar="FILE")
@library_option
@json_flag
@quiet_flag
def command(file: str, library: str | None, as_json: bool, quiet: bool) -> None:
    """Say where a LoRA comes from: copies, its training run, what it was merged from.

    The file need not be in the library; its relatives must be. Each parent is called sure, likely
    or "cannot be told"; what only the file's header says is shown as said by the file.
    """
    answer = Library(library).lineage(file)
    if as_json:
        print_json(answer.to_json())
    elif not quiet:
        for line in lines(answer):
            click.echo(line)


def lines(answer: Lineage) -> Iterator[str]:
    """The answer for people."""
    for line in _plain_lines(answer):
        yield ("  " if line.startswith(" ") else "") + one_line(line)


def _plain_lines(answer: Lineage) -> Iterator[str]:
    yield f"{near_path(answer.path)} ({answer.family})"
    if answer.said_by_file:
        yield _statement(answer.said_by_file)
    if answer.merge:
        yield from _merge(answer.merge)
    if answer.copies:
        yield "copies and near copies:"
        for item in answer.copies:
            yield f"  {near_path(item.path)}: {item.relation}, {item.note}"
    if answer.run:
        yield "weights in common:"
        for item in answer.run:
            yield f"  {item.cosine:+.2f} {near_path(item.path)}: {item.note}"
    if answer.children:
        yield "went into:"
        for child in answer.children:
            yield f"  {_weight(child)}this in {near_path(child.path)} ({_verdict(child)})"
    if answer.start:
        yield "same trainer and seed, another subject:"
        for item in answer.start:
            yield f"  {item.start:.2f} {near_path(item.path)}"
    if not (answer.merge or answer.copies or answer.run or answer.children or answer.start):
        yield "nothing in the library is related to it by weights"


def _statement(statement: HeaderStatement) -> str:
    count = len(statement.inputs)
    here = f", {statement.absent} of them not in the library" if statement.absent else ""
    checked = {
        True: "the weights bear it out",
        False: "the weights do not bear it out",
        None: "the weights cannot tell",
    }[statement.agrees]
    what = f"{statement.method} of {count} file{'s' if count > 1 else ''}"
    return f"said by the file: {what}{here}; {checked}"


def _merge(merge: Merge) -> Iterator[str]:
    share = f"{merge.explained:.1%} of its energy"
    if merge.verdict == "cannot be told":
        yield "what it was made of cannot be told; possibly of:"
    elif merge.complete:
        yield f"a merge of ({merge.verdict}):"
    elif merge.explained <= 0:
        yield f"a merge, among others of ({merge.verdict}):"
    else:
        yield f"in part made of ({merge.verdict}, {share}):"
    for parent in merge.parents:
        also = f", or its {len(parent.also)} copies" if len(parent.also) > 1 else ""
        also = f", or its copy {Path(parent.also[0]).name}" if len(parent.also) == 1 else also
        yield f"  {_weight(parent)}{near_path(parent.path)} ({_verdict(parent)}{also})"
        for other in parent.instead:
            yield f"    {near_path(other)} fits as well"
    if merge.by_module:
        yield "  (weights differ between modules)"
    if merge.via:
        yield f"  (by way of {near_path(merge.via)}, of which this was cut)"
    if not merge.exact and merge.verdict != "cannot be told":
        yield "  (weights from sketches: a parent's file is gone)"


def _weight(parent: Parent) -> str:
    if parent.weight is None or not math.isfinite(parent.low):
        return ""
    spread = (parent.high - parent.low) / 2
    unsure = f" ± {spread:.2g}" if spread >= 0.005 else ""
    return f"{parent.weight:+.2f}{unsure} x "


def _verdict(parent: Parent) -> str:
    return f"{parent.verdict}, said by the file" if parent.said_by_file else parent.verdict
