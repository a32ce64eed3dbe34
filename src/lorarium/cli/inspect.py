"""`lorarium inspect`: a card for each file, or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lorarium.cli.common import json_flag, one_line, print_json, quiet_flag
from lorarium.cli.written import rank_words, short_dtypes, size_words
from lorarium.formats.inspection.inspect import Inspection, inspect_files

BARS = "▁▂▃▄▅▆▇█"
SHORT_WORDS = 6
SHOWN_HASHES = ("AutoV1", "AutoV2", "AutoV3")


@click.command("inspect")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--short", is_flag=True, help="One line for each file.")
@click.option("--full", is_flag=True, help="Read all of a remote file, not its header alone.")
@click.option("--strict", is_flag=True, help="Exit with 1 when a file has a health problem.")
@json_flag
@quiet_flag
def command(
    files: tuple[str, ...], short: bool, full: bool, strict: bool, as_json: bool, quiet: bool
) -> int:
    """Say what is in LoRA files, and whether they are healthy.

    A folder stands for every tensor file below it. A file may be an address: of https://, of
    hf://owner/name or of s3:// the header alone is read, which is a small part of the file.

    A file that cannot be read is one line on stderr; the others are still shown, and the exit
    code is 2.

    \b
    lorarium inspect ink.safetensors
    lorarium inspect loras/ --short
    lorarium inspect loras/ --json
    lorarium inspect hf://owner/name
    """
    inspections: list[Inspection] = []
    for inspection in inspect_files(list(files), full=full):
        inspections.append(inspection)
        if not inspection.ok:
            click.echo(f"lorarium: {one_line(inspection.error)}", err=True)
        elif not as_json and not quiet:
            click.echo(short_line(inspection) if short else card(inspection))
    if as_json:
        print_json({"files": [inspection.to_json() for inspection in inspections]})
    if any(not inspection.ok for inspection in inspections):
        return 2
    return 1 if strict and any(inspection.health for inspection in inspections) else 0


def card(inspection: Inspection) -> str:
    """Everything about one file on one screen."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in _rows(inspection):
        table.add_row(label, value if isinstance(value, Text) else Text(value))
    console = Console(markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(Text(one_line(inspection.path), style="bold"), soft_wrap=True)
        console.print(table)
    # a grid fills its width with blanks, which only swell what is piped into a file
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def short_line(inspection: Inspection) -> str:
    """One file in one line: path, base model, kinds, rank, number type, size, what wakes it, and
    whether it is healthy."""
    assert inspection.family is not None
    rank = rank_words(tuple(sorted(set(inspection.ranks))))
    words = ", ".join(word.text for word in inspection.words[:SHORT_WORDS])
    facts = [
        inspection.family.id, "+".join(inspection.kind), rank,
        short_dtypes(inspection.dtype.split("+")),
        size_words(inspection.size), f"answers to {words}" if words else "",
        ", ".join(finding.code for finding in inspection.health) or _healthy(inspection),
    ]  # fmt: skip
    return one_line(f"{inspection.path}: {'; '.join(filter(None, facts))}")


def _healthy(inspection: Inspection) -> str:
    return "healthy" if inspection.hashes else "its weights were not read"


def _rows(inspection: Inspection) -> Iterator[tuple[str, str | Text]]:
    family = inspection.family
    assert family is not None
    also = f", or {', '.join(family.alternatives)}" if family.alternatives else ""
    name = Text(family.id, style="bold cyan")
    yield "family", name + Text(f"{also} ({family.confidence:.0%} sure)")
    for reason in family.evidence[:4]:
        yield "", Text(one_line(reason, 200), style="dim")
    kinds = ", ".join(f"{count} {kind}" for kind, count in inspection.kind.items())
    yield (
        "dialect",
        f"{inspection.dialect}, {inspection.container}, {inspection.dtype or 'no tensors'}",
    )
    yield "modules", kinds + "".join(f"; {part} {n}" for part, n in inspection.parts.items())
    if inspection.ranks:
        ends = sorted({*inspection.alphas[:1], *inspection.alphas[-1:]})
        alphas = " to ".join(f"{a:g}" for a in ends) or "not read"
        low, high = min(inspection.ranks), max(inspection.ranks)
        rank = str(low) if low == high else f"{low} to {high}"
        effective = (
            f", effective {inspection.effective_rank:.1f}" if inspection.effective_rank else ""
        )
        yield "rank", f"{rank}{effective}, alpha {alphas}"
    size = f"{inspection.size / 2**20:.1f} MiB, {inspection.parameters:,} parameters"
    yield "size", size + (f", norm {inspection.norm:.4g}" if inspection.norm is not None else "")
    for index, row in enumerate(picture(inspection.energy)):
        yield "" if index else "energy", row
    yield from _training(inspection)
    if inspection.words:
        words = ", ".join(
            word.text + (f" ({word.share:.0%})" if word.share else "")
            for word in inspection.words[:12]
        )
        yield "trigger words", words
    if inspection.sidecars:
        yield "beside it", ", ".join(one_line(side.path.name, 80) for side in inspection.sidecars)
    if inspection.hashes:
        hashes = inspection.hashes.to_json()
        yield "hashes", ", ".join(f"{name} {hashes[name]}" for name in SHOWN_HASHES)
        yield "fingerprint", (inspection.fingerprint or "none")[:32]
    if inspection.read:
        part = f"{size_words(inspection.read.bytes)} of {size_words(inspection.size)}"
        yield "read", f"{part}, {inspection.read.share:.2%}"
    if not inspection.health:
        verdict = "no problem found" if inspection.hashes else "no problem found in the header"
        yield "health", Text(verdict, style="green")
    for index, finding in enumerate(inspection.health):
        line = Text(finding.code, style="bold yellow") + Text(f": {finding.message}")
        if finding.where:
            line += Text(f" [{finding.where}]", style="dim")
        yield "" if index else "health", line


def _training(inspection: Inspection) -> Iterator[tuple[str, str]]:
    facts = inspection.training
    short = {
        name: f"{facts[name]:g}" if isinstance(facts[name], float) else str(facts[name])
        for name in ("tool", "base", "steps", "epochs", "learning_rate", "resolution", "pictures")
        if name in facts
    }
    if short:
        yield "trained", ", ".join(f"{name.replace('_', ' ')} {v}" for name, v in short.items())
    for name in ("title", "author", "license", "comment", "merged_from"):
        if name in facts:
            yield name.replace("_", " "), str(facts[name])


def picture(energy: Mapping[str, float]) -> list[str]:
    """Energy by block: one row for each run of numbered blocks, one bar for each block."""
    rows: dict[str, dict[int, float]] = {}
    for block, share in energy.items():
        stem, _, index = block.rpartition(".")
        numbered = bool(stem) and index.isdigit() and len(index) < 4
        rows.setdefault(stem if numbered else block, {})[int(index) if numbered else 0] = share
    if not rows:
        return []
    top = max(energy.values())
    name_width = max(len(name) for name in rows)
    bar_width = max(max(shares) + 1 for shares in rows.values())
    lines = []
    for name, shares in rows.items():
        bars = "".join(_bar(shares.get(i, 0.0), top) for i in range(max(shares) + 1))
        lines.append(
            f"{one_line(name):{name_width}}  {bars:{bar_width}}  {sum(shares.values()):6.1%}"
        )
    return lines


def _bar(share: float, top: float) -> str:
    return BARS[min(7, int(8 * share / top))] if share else "·"
