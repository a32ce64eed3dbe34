"""`lorarium lineage`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from lorarium.cli.common import json_flag, library_option, one_line, print_json, quiet_flag
from lorarium.library import Library

if TYPE_CHECKING:
    from lorarium.library import Lineage


@click.command("lineage")
@click.argument("file", metavar="FILE")
@library_option
@json_flag
@quiet_flag
def command(file: str, library: str | None, as_json: bool, quiet: bool) -> None:
    """Say where a LoRA comes from: copies, its training run, what it was merged from.

    The file need not be in the library; its relatives must be.
    """
    found = Library(library).lineage(file)
    if as_json:
        print_json(found.to_json())
    elif not quiet:
        for line in lines(found):
            click.echo(line)


def lines(found: Lineage) -> Iterator[str]:
    """What was found, for people."""
    for line in _said(found):
        yield ("  " if line.startswith(" ") else "") + one_line(line)


def _said(found: Lineage) -> Iterator[str]:
    yield f"{found.path} ({found.family})"
    if found.merge:
        share = f"{found.merge.explained:.1%} of its energy"
        yield f"a merge of ({share}):" if found.merge.whole else f"in part made of ({share}):"
        for parent in found.merge.parents:
            also = f", or its {len(parent.also)} copies" if parent.also else ""
            yield f"  {parent.weight:+.2f} x {parent.path} ({parent.share:.0%}{also})"
        if not found.merge.exact:
            yield "  (weights from sketches: a parent's file is gone)"
    if found.copies:
        yield "copies:"
        for item in found.copies:
            yield f"  {item.path}: {item.note}"
    if found.run:
        yield "weights in common:"
        for item in found.run:
            yield f"  {item.cosine:+.2f} {item.path}: {item.note}"
    if found.children:
        yield "went into:"
        for child in found.children:
            yield f"  {child.weight:+.2f} x this in {child.path}"
    if found.start:
        yield "same trainer and seed, another subject:"
        for item in found.start:
            yield f"  {item.start:.2f} {item.path}"
    if not (found.merge or found.copies or found.run or found.children or found.start):
        yield "nothing in the library is related to it by weights"
