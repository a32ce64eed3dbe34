"""`lorarium extract`."""

from __future__ import annotations

from pathlib import Path

import click

from lorarium import formats
from lorarium.cli.common import (
    force_flag,
    json_flag,
    loss_exit,
    plain,
    print_json,
    quiet_flag,
    seed_option,
)
from lorarium.cli.progress import bar
from lorarium.cli.resize import DTYPES, report_json, report_line
from lorarium.cli.suggest import Choice
from lorarium.formats.target import check_adapter_target
from lorarium.mergers.extract import Extraction, extract


@click.command("extract")
@click.argument("base", metavar="BASE", type=click.Path(path_type=Path))
@click.argument("tuned", metavar="TUNED", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Output file.")
@click.option("--rank", required=True, type=click.IntRange(min=1), help="Highest rank of a layer.")
@click.option("--energy", type=float, help="Share of each layer's energy to keep, in (0, 1].")
@click.option("--only", metavar="REGEX", help="Look only at modules whose part:path it matches.")
@click.option("--to", "dialect", help="Dialect of the result (default: the family's usual one).")
@click.option("--dtype", type=Choice([d for d in DTYPES if d]), help="Number type to store.")
@seed_option
@force_flag
@json_flag
@quiet_flag
def command(
    base: Path,
    tuned: Path,
    out: Path,
    rank: int,
    energy: float | None,
    only: str | None,
    dialect: str | None,
    dtype: str | None,
    seed: int,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Take a LoRA from the difference of two checkpoints."""
    inputs = (base, tuned)
    check_adapter_target(out, dialect or "", inputs=inputs, force=force)
    with bar("extract", quiet or as_json) as show:
        adapter, extraction = extract(
            base,
            tuned,
            rank=rank,
            energy=energy,
            only=only,
            dtype=DTYPES[dtype],
            seed=seed,
            progress=show,
        )
    written = formats.write(adapter, out, dialect=dialect, force=force, inputs=inputs)
    lists = _lists(extraction) | {"refused": [fate.name for fate in written.refused()]}
    if as_json:
        counts = {
            "exact": extraction.exact,
            "biases": extraction.biases,
            "unchanged": extraction.unchanged,
        }
        head = {"path": str(out), "family": adapter.family, "dialect": written.dialect}
        print_json(
            head | {"modules": len(adapter)} | counts | lists | report_json(extraction.report)
        )
    elif not quiet:
        click.echo(
            f"{plain(str(out))}: {adapter.family}, {len(adapter)} modules "
            f"({extraction.biases} biases), {report_line(extraction.report)}; "
            f"{extraction.exact} exact SVDs, "
            f"{len(extraction.report.layers) - extraction.exact} by subspace iteration"
        )
        for what, names in lists.items():
            if names:
                more = ", ..." if len(names) > 3 else ""
                name_list = ", ".join(map(plain, names[:3])) + more
                click.echo(f"  {len(names)} {LIST_TITLES[what]}: {name_list}")
    return loss_exit(written)


LIST_TITLES = {
    "only_base": "only in the base",
    "only_tuned": "only in the tuned checkpoint",
    "other_shape": "of another shape",
    "beyond": "differ but belong to no module a LoRA can hold",
    "refused": "have no place in this dialect",
}


def _lists(extraction: Extraction) -> dict[str, list[str]]:
    names = ("only_base", "only_tuned", "other_shape", "beyond")
    return {name: list(getattr(extraction, name)) for name in names}
