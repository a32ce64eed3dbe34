"""`lorarium resize`."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import click

from lorarium import formats
from lorarium.algebra import Report
from lorarium.cli.bake import read_for
from lorarium.cli.batch import for_files
from lorarium.cli.common import force_flag, json_flag, loss_exit, plain, print_json, quiet_flag
from lorarium.cli.progress import bar
from lorarium.cli.suggest import Choice
from lorarium.cli.written import rank_words, written_facts
from lorarium.errors import LorariumError
from lorarium.formats.batch import is_batch, pairs
from lorarium.formats.target import check_adapter_target
from lorarium.mergers.lower_on import lower_on
from lorarium.mergers.provenance import stamp
from lorarium.mergers.resize import DTYPES, Resized, resize_file

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


class Size(click.ParamType):
    """Bytes: `5000000`, `5MB`, `4.5MiB`."""

    name = "BYTES"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        parts = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?i?)b?", str(value).strip().lower())
        if not parts or parts[2] not in UNITS:
            self.fail(f"{value!r} is not a size such as 20MB or 18MiB", param, ctx)
        return int(float(parts[1]) * UNITS[parts[2]])


@click.command("resize")
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--rank", type=click.IntRange(min=1), help="Rank of every layer.")
@click.option("--energy", type=float, help="Share of the energy to keep, in (0, 1].")
@click.option("--size", type=Size(), help="Size of the file, such as 20MB.")
@click.option(
    "--per-layer/--same-rank",
    default=None,
    help="Let ranks differ between layers (default with --energy and --size).",
)
@click.option(
    "--base",
    type=click.Path(path_type=Path),
    help="Checkpoint on which DoRA, OFT and BOFT become LoRA of the --rank.",
)
@click.option("--dtype", type=Choice([d for d in DTYPES if d]), help="Number type to store.")
@force_flag
@json_flag
@quiet_flag
def command(
    source: Path,
    out: Path,
    rank: int | None,
    energy: float | None,
    size: int | None,
    per_layer: bool | None,
    base: Path | None,
    dtype: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Recompress LoRAs to a rank, an energy or a size.

    With the least possible error, which is said. A folder stands for every adapter below it, which
    are written into the same tree; one that cannot be resized does not stop the others.

    \b
    lorarium resize ink.safetensors small.safetensors --rank 8
    lorarium resize loras/ small/ --energy 0.95 --dtype fp16
    """
    options: dict[str, Any] = {
        "rank": rank, "energy": energy, "size": size, "per_layer": per_layer
    }  # fmt: skip
    if base is not None and (rank is None or energy is not None or size is not None or per_layer):
        raise LorariumError("--base goes with --rank alone", hint="resize the result again")
    target: Any = {"force": force, "inputs": [source, base] if base else [source]}

    batch = is_batch(source)

    def work(path: Path, goal: Path) -> Resized:
        if batch:  # the tree of the result is ours to make
            goal.parent.mkdir(parents=True, exist_ok=True)
        if base is None:
            return resize_file(path, goal, dtype=dtype, **target, **options)
        check_adapter_target(goal, **target)
        assert rank is not None  # refused above
        adapter = read_for(str(path), base)
        with bar("lowering", quiet or as_json) as show:
            small, report = lower_on(base, adapter, rank=rank, dtype=DTYPES[dtype], progress=show)
        named = options | {"base": base.name, "dtype": dtype}
        written = formats.write(stamp(small, [adapter], "resize", named), goal, **target)
        return Resized(len(small), report, written)

    if batch:
        return for_files(
            pairs(source, out), work, lambda goal, done: line(goal, done),
            lambda goal, done: to_json(goal, done), as_json=as_json, quiet=quiet,
            code=lambda done: loss_exit(done.written),
        )  # fmt: skip
    done = work(source, out)
    if as_json:
        print_json(to_json(out, done))
    elif not quiet:
        click.echo(line(out, done))
    return loss_exit(done.written)


def line(out: Path, done: Resized) -> str:
    facts = f"{done.modules} modules, {written_facts(out)}, {error_line(done.report)}"
    return f"{plain(str(out))}: {facts}"


def to_json(out: Path, done: Resized) -> dict[str, Any]:
    facts = written_facts(out).to_json()
    return {"path": str(out), "modules": done.modules, **facts, **report_json(done.report)}


def report_line(report: Report) -> str:
    """One line: ranks, what is kept, the error in total and where it is largest."""
    ranks = tuple(sorted({layer.rank for layer in report.layers if layer.rank is not None}))
    return ", ".join(filter(None, (rank_words(ranks), error_line(report))))


def error_line(report: Report) -> str:
    """What is kept, the error in total and where it is largest."""
    if not report.layers:
        return "nothing to truncate"
    worst = max(report.layers, key=lambda layer: layer.relative)
    name = plain(str(worst.modules[0]))
    largest = f"worst {worst.relative:.2%} in {name}"
    line = f"keeps {report.kept:.2%} of the energy, error {report.relative:.2%} ({largest})"
    kinds = Counter(layer.kept for layer in report.layers if layer.kept)
    unchanged = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return (
        f"{line}; kept as they are, no larger than factors of that rank: {unchanged}"
        if unchanged
        else line
    )


def report_json(report: Report) -> dict[str, Any]:
    """Norms and truncation errors, in total and by layer."""
    layers = [
        {
            "modules": [str(module) for module in layer.modules],
            "rank_before": layer.rank_before,
            "rank": layer.rank,
            "norm": layer.norm,
            "error": layer.error,
            "relative": layer.relative,
            "kept": layer.kept or None,
            "numbers": list(layer.numbers),
        }
        for layer in report.layers
    ]
    total = {
        "norm": report.norm, "kept": report.kept, "error": report.error,
        "relative": report.relative,
    }  # fmt: skip
    return {"total": total, "layers": layers}
