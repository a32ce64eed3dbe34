"""`lorarium inspect`: a card for each file, or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lorarium.cli.common import json_flag, one_line, print_json, quiet_flag
from lorarium.cli.written import rank_words, short_dtypes, size_words
from lorarium.formats.inspect import Inspection, inspect_files

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
    seen: list[Inspection] = []
    for found in inspect_files(list(files), full=full):
        seen.append(found)
        if not found.ok:
            click.echo(f"lorarium: {one_line(found.error)}", err=True)
        elif not as_json and not quiet:
            click.echo(short_line(found) if short else card(found))
    if as_json:
        print_json({"files": [found.to_json() for found in seen]})
    if any(not found.ok for found in seen):
        return 2
    return 1 if strict and any(found.health for found in seen) else 0


def card(found: Inspection) -> str:
    """Everything about one file on one screen."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in _rows(found):
        table.add_row(label, value if isinstance(value, Text) else Text(value))
    console = Console(markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(Text(one_line(found.path), style="bold"), soft_wrap=True)
        console.print(table)
    # a grid fills its width with blanks, which only swell what is piped into a file
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def short_line(found: Inspection) -> str:
    """One file in one line: path, base model, kinds, rank, number type, size, what wakes it, and
    whether it is healthy."""
    assert found.family is not None
    rank = rank_words(tuple(sorted(set(found.ranks))))
    words = ", ".join(word.text for word in found.words[:SHORT_WORDS])
    facts = [
        found.family.id, "+".join(found.kind), rank, short_dtypes(found.dtype.split("+")),
        size_words(found.size), f"answers to {words}" if words else "",
        ", ".join(finding.code for finding in found.health) or _healthy(found),
    ]  # fmt: skip
    return one_line(f"{found.path}: {'; '.join(filter(None, facts))}")


def _healthy(found: Inspection) -> str:
    return "healthy" if found.hashes else "its weights were not read"


def _rows(found: Inspection) -> Iterator[tuple[str, str | Text]]:
    family = found.family
    assert family is not None
    also = f", or {', '.join(family.alternatives)}" if family.alternatives else ""
    name = Text(family.id, style="bold cyan")
    yield "family", name + Text(f"{also} ({family.confidence:.0%} sure)")
    for reason in family.evidence[:4]:
        yield "", Text(one_line(reason, 200), style="dim")
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.kind.items())
    yield "dialect", f"{found.dialect}, {found.container}, {found.dtype or 'no tensors'}"
    yield "modules", kinds + "".join(f"; {part} {n}" for part, n in found.parts.items())
    if found.ranks:
        ends = sorted({*found.alphas[:1], *found.alphas[-1:]})
        alphas = " to ".join(f"{a:g}" for a in ends) or "not read"
        low, high = min(found.ranks), max(found.ranks)
        rank = str(low) if low == high else f"{low} to {high}"
        effective = f", effective {found.effective_rank:.1f}" if found.effective_rank else ""
        yield "rank", f"{rank}{effective}, alpha {alphas}"
    size = f"{found.size / 2**20:.1f} MiB, {found.parameters:,} parameters"
    yield "size", size + (f", norm {found.norm:.4g}" if found.norm is not None else "")
    for index, row in enumerate(picture(found.energy)):
        yield "" if index else "energy", row
    yield from _training(found)
    if found.words:
        words = ", ".join(
            word.text + (f" ({word.share:.0%})" if word.share else "") for word in found.words[:12]
        )
        yield "trigger words", words
    if found.sidecars:
        yield "beside it", ", ".join(one_line(side.path.name, 80) for side in found.sidecars)
    if found.hashes:
        shown = found.hashes.to_json()
        yield "hashes", ", ".join(f"{name} {shown[name]}" for name in SHOWN_HASHES)
        yield "fingerprint", (found.fingerprint or "none")[:32]
    if found.read:
        part = f"{size_words(found.read.bytes)} of {size_words(found.size)}"
        yield "read", f"{part}, {found.read.share:.2%}"
    if not found.health:
        whole = "no problem found" if found.hashes else "no problem found in the header"
        yield "health", Text(whole, style="green")
    for index, finding in enumerate(found.health):
        line = Text(finding.code, style="bold yellow") + Text(f": {finding.message}")
        if finding.where:
            line += Text(f" [{finding.where}]", style="dim")
        yield "" if index else "health", line


def _training(found: Inspection) -> Iterator[tuple[str, str]]:
    facts = found.training
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
