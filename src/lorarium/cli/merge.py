"""`lorarium merge`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lorarium import formats
from lorarium.cli.common import json_flag, plain, print_json, quiet_flag
from lorarium.cli.resize import DTYPES, report_json, report_line
from lorarium.errors import LorariumError
from lorarium.merge import METHODS, merge
from lorarium.merge.sum import sum_with_report
from lorarium.merge.weights_file import read_weights


def split_weight(text: str) -> tuple[str, float]:
    """`NAME:w` at the last colon, only when a number follows; the weight is 1 without one."""
    name, colon, number = text.rpartition(":")
    if colon and name:
        try:
            return name, float(number)
        except ValueError:
            pass
    return text, 1.0


class Rank(click.ParamType):
    name = "N|full"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | str:
        if value == "full" or isinstance(value, int):
            return value
        if not str(value).isdecimal() or int(value) < 1:
            self.fail(f"{value!r} is neither a whole number above 0 nor 'full'", param, ctx)
        return int(value)


@click.command("merge")
@click.argument("inputs", nargs=-1, required=True, metavar="A[:w] B[:w]...")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Output file.")
@click.option(
    "--method",
    default="sum",
    show_default=True,
    type=click.Choice(list(METHODS)),
    help="How to merge.",
)
@click.option("--rank", type=Rank(), help="Truncate to a rank, or allow full matrices.")
@click.option("--to", "dialect", help="Dialect of the result (default: that of the first input).")
@click.option("--base", help="Base model, for the methods that need one.")
@click.option("--blocks", metavar="FILE|PRESET", help="Block weights: a TOML file or a preset.")
@click.option("--only", metavar="REGEX", help="Merge only modules whose part:path it matches.")
@click.option(
    "--dtype", type=click.Choice([d for d in DTYPES if d]), help="Number type of the result."
)
@json_flag
@quiet_flag
def command(
    inputs: tuple[str, ...],
    out: Path,
    method: str,
    rank: int | str | None,
    dialect: str | None,
    base: str | None,
    blocks: str | None,
    only: str | None,
    dtype: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Merge LoRAs into one ordinary file that equals them applied together."""
    names, weights = zip(*map(split_weight, inputs), strict=True)
    if base is not None and method == "sum":
        raise LorariumError("the method 'sum' needs no base", hint="leave --base out")
    options: dict[str, Any] = {"rank": rank, "only": only, "dtype": DTYPES[dtype]}
    if blocks is not None:
        is_file = Path(blocks).is_file() or blocks.endswith(".toml")
        options |= read_weights(blocks, len(names)) if is_file else {"blocks": blocks}
    adapters = [formats.read(name) for name in names]
    report = None
    if method == "sum":
        merged, report = sum_with_report(adapters, weights, **options)
    else:
        merged = merge(adapters, weights, method=method, **options)
    formats.write(merged, out, dialect=dialect)
    if as_json:
        document = {"path": str(out), "modules": len(merged), "weights": list(weights)}
        print_json(document | ({} if report is None else report_json(report)))
    elif not quiet:
        lost = "" if report is None else f", {report_line(report)}"
        click.echo(f"{plain(str(out))}: {len(merged)} modules from {len(names)} files{lost}")
