"""`lorarium merge`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lorarium import formats
from lorarium.algebra import Rounding
from lorarium.bases.holding import BaseToOpen, Holding
from lorarium.cli.common import (
    DTYPE_HELP,
    adopted_option,
    checkpointing_flag,
    force_flag,
    json_flag,
    loss_exit,
    offload_flag,
    plain,
    print_json,
    quiet_flag,
    say_beside,
    seed_option,
    split_weight,
)
from lorarium.cli.progress import bar
from lorarium.cli.resize import DTYPES, error_line, report_json
from lorarium.cli.suggest import Choice
from lorarium.cli.written import written_facts
from lorarium.errors import LorariumError, did_you_mean
from lorarium.formats.target import check_adapter_target
from lorarium.mergers import METHODS, MergeReport, merge_with_report
from lorarium.mergers.number_type import as_the_inputs
from lorarium.mergers.weights_file import read_weights


class Rank(click.ParamType):
    name = "N|full"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | str:
        if value == "full" or isinstance(value, int):
            return value
        if not str(value).isdecimal() or int(value) < 1:
            self.fail(f"{value!r} is neither a whole number above 0 nor 'full'", param, ctx)
        return int(value)


def list_methods(context: click.Context, _: Any, flag: bool) -> None:
    if flag:
        width = max(map(len, METHODS))
        for name, method in METHODS.items():
            click.echo(f"{name:<{width}}  {method.summary}")
            if own := own_options(name):
                option_list = ", ".join(k if v is None else f"{k}={v}" for k, v in own.items())
                click.echo(f"{'':<{width}}  options: {option_list}")
        context.exit()


# options of methods that have a flag, or are no one's to set
FLAGS = {"base", "seed", "progress", "force"}
LISTS = {"prompts", "pictures"}


@click.command("merge")
@click.argument("inputs", nargs=-1, required=True, metavar="A[:w] B[:w]...")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Output file.")
@click.option(
    "--method",
    default="sum",
    show_default=True,
    type=Choice(list(METHODS)),
    metavar="NAME",
    help="How to merge; --methods lists them.",
)
@click.option(
    "--methods",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=list_methods,
    help="List the methods and their options.",
)
@click.option(
    "--option",
    "option_texts",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the method; prompts and pictures once for each input.",
)
@click.option("--normalize", is_flag=True, help="Scale all inputs to one norm before merging.")
@click.option("--rank", type=Rank(), help="Truncate to a rank, or allow full matrices.")
@click.option("--to", "dialect", help="Dialect of the result (default: that of the first input).")
@click.option("--base", help="Base model, for the methods that need one.")
@click.option("--base-dtype", "base_dtype", default="float32", metavar="NAME", help=DTYPE_HELP)
@offload_flag
@checkpointing_flag
@click.option("--blocks", metavar="FILE|PRESET", help="Block weights: a TOML file or a preset.")
@click.option("--only", metavar="REGEX", help="Merge only modules whose part:path it matches.")
@click.option("--dtype", type=Choice([d for d in DTYPES if d]), help="Number type of the result.")
@seed_option
@force_flag
@adopted_option
@json_flag
@quiet_flag
def command(
    inputs: tuple[str, ...],
    out: Path,
    method: str,
    option_texts: tuple[str, ...],
    normalize: bool,
    rank: int | str | None,
    dialect: str | None,
    base: str | None,
    base_dtype: str,
    offload: bool,
    checkpointing: bool,
    blocks: str | None,
    only: str | None,
    dtype: str | None,
    seed: int,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Merge LoRAs into one ordinary file.

    \b
    lorarium merge style.safetensors:0.8 cat.safetensors -o both.safetensors
    lorarium merge cat.safetensors style.safetensors -o both.safetensors --method np-lora
    """
    names, weights = zip(*map(split_weight, inputs), strict=True)
    own = METHODS[method].options
    if base is not None and "base" not in own:
        raise LorariumError(f"the method {method!r} needs no base", hint="leave --base out")
    options = parse_options(option_texts, method)
    flags = {"rank": rank, "only": only, "dtype": DTYPES[dtype], "normalize": normalize}
    flags |= {"seed": seed} if "seed" in own else {}
    if base is not None:
        device = options.get("device", "cpu")
        holding = Holding(device, base_dtype, offload, checkpointing, None if quiet else say_beside)
        flags["base"] = BaseToOpen(base, holding)
    if blocks is not None:
        is_file = Path(blocks).is_file() or blocks.endswith(".toml")
        flags |= read_weights(blocks, len(names)) if is_file else {"blocks": blocks}
    read = [*names, base, blocks, *(text.partition("=")[2] for text in option_texts)]
    target: Any = {"force": force, "inputs": list(filter(None, read))}
    check_adapter_target(out, dialect, **target)
    flags |= {"force": force} if "force" in own else {}
    adapters = [formats.read(name) for name in names]
    with bar("merging", quiet or as_json) as show:
        if "progress" in own:
            flags["progress"] = lambda done, total, loss: show(done, total, f"loss {loss:.4g}")
        merged, report = merge_with_report(adapters, weights, method=method, **options, **flags)
    if dtype is None:
        merged, report.rounding = as_the_inputs(merged, adapters, report.rounding)
    written = formats.write(merged, out, dialect=dialect, **target)
    if as_json:
        print_json(
            {"path": str(out), "modules": len(merged), "method": method, "weights": list(weights)}
            | written_facts(out).to_json()
            | merge_json(report)
        )
    elif not quiet:
        counts = f"{len(merged)} modules from {len(names)} files"
        lost = "" if report.truncation is None else f", {error_line(report.truncation)}"
        facts = f"{written_facts(out)}{lost}{rounding_words(report.rounding)}"
        click.echo(f"{plain(str(out))}: {counts}, {facts}")
        for note in report.notes:
            click.echo(f"  {plain(note)}")
    return loss_exit(written)


def parse_options(option_texts: Sequence[str], method: str) -> dict[str, Any]:
    """`name=value` by name, a number where the method has one, a list where it has one an input."""
    known = own_options(method)
    options: dict[str, Any] = {}
    for text in option_texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise LorariumError(f"--option {text!r} is not NAME=VALUE")
        if name not in known:
            raise LorariumError(
                f"the method {method!r} has no option {name!r}",
                hint=f"it has {', '.join(known) or 'none of its own'}{did_you_mean(name, known)}",
            )
        option_value: Any = _number(value) if isinstance(known[name], int | float) else value
        if name in LISTS:
            option_value = [*options.get(name, []), option_value]
        elif name in options:
            raise LorariumError(f"the option {name} was given twice")
        options[name] = option_value
    return options


def own_options(method: str) -> dict[str, Any]:
    """A method's options and their defaults, without those that have a flag."""
    return {k: v for k, v in METHODS[method].options.items() if k not in FLAGS}


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def merge_json(report: MergeReport) -> dict[str, Any]:
    """Norms, what made them equal, remarks, and truncation errors."""
    document: dict[str, Any] = {"norms": list(report.norms), "notes": report.notes}
    if report.factors:
        document["normalized"] = list(report.factors)
    if report.rounding is not None:
        wide = [str(module) for module in report.rounding.wide]
        document["rounding"] = {"relative": report.rounding.relative, "wide": wide}
    return document | ({} if report.truncation is None else report_json(report.truncation))


def rounding_words(rounding: Rounding | None) -> str:
    """The error of 16 bits, and modules that it would have been too large for."""
    if rounding is None or not (rounding.error or rounding.wide):
        return ""
    wide_note = f", {len(rounding.wide)} modules kept in fp32" if rounding.wide else ""
    return f", rounded by {rounding.relative:.1e}{wide_note} (--dtype fp32 for the exact merge)"
