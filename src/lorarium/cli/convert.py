"""`lorarium convert`: the report of a conversion, one line for each file and each refusal."""

from __future__ import annotations

from pathlib import Path

import click

from lorarium import formats
from lorarium.cli.common import force_flag, json_flag, one_line, print_json, quiet_flag
from lorarium.cli.suggest import Choice
from lorarium.formats.dialects import TARGETS
from lorarium.formats.programs import PROGRAMS
from lorarium.formats.report import Converted

DTYPES = ("fp16", "bf16", "fp32", "fp8_e4m3", "fp8_e5m2")


@click.command("convert")
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--to", type=Choice(TARGETS), help="Dialect to write (default: the same).")
@click.option(
    "--for",
    "program",
    type=Choice(PROGRAMS),
    help="Write what this program loads for the file's family.",
)
@click.option("--dtype", type=Choice(DTYPES), help="Number type to store.")
@click.option(
    "--expert",
    type=Choice(["high", "low"]),
    help="Which of two denoisers a file is for, where it does not say.",
)
@click.option("--allow-loss", is_flag=True, help="Exit 0 although modules were refused.")
@force_flag
@json_flag
@quiet_flag
def command(
    source: Path,
    target: Path,
    to: str | None,
    program: str | None,
    dtype: str | None,
    expert: str | None,
    allow_loss: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Rewrite a LoRA file, a PEFT folder or a folder of them in another dialect.

    Every key is mapped, carried or refused by name; the result is read back and compared before
    it takes its name. Exit code 1 when modules were refused or are not what they were.

    \b
    lorarium convert ink.safetensors ink-diffusers.safetensors --to diffusers
    lorarium convert loras/ for-comfy/ --for comfyui --dtype fp16
    """
    report = formats.convert(
        source, target, to=to, dtype=dtype, expert=expert, program=program, force=force,
        allow_loss=allow_loss,
    )  # fmt: skip
    for file in report.files:
        if file.error:
            click.echo(f"lorarium: {one_line(file.error)}", err=True)
        elif not as_json and not quiet:
            first, *others = map(one_line, lines(file))
            click.echo("\n  ".join([first, *others]))
        elif not as_json and not file.ok:
            click.echo(f"lorarium: {one_line(lines(file)[0])}", err=True)
    if as_json:
        print_json(report.to_json())
    return report.exit_code


SHOWN = 10  # refused or unverified modules by name; --json has them all


def lines(file: Converted) -> list[str]:
    """What a person wants to know of one file: what was written, and all that was not."""
    read, written = file.read, file.written
    assert read is not None and written is not None
    counts = [
        f"{written.count(fate)} {fate}"
        for fate in ("exact", "rounded", "carried", "refused")
        if written.count(fate)
    ]
    check = "read back and equal" if written.worst_error == 0.0 else "read back"
    if written.worst_error:
        check += f", largest error {written.worst_error:.1e}"
    if not written.verified:
        check = f"NOT VERIFIED, {len(written.unverified)} modules are not what was meant"
    text_lines = [
        f"{file.target}: {read.dialect} -> {written.dialect}, {written.family}, "
        f"{', '.join(counts)}; {loss_line(file)}{check}"
    ]
    text_lines += some([f"not verified {name}: {why}" for name, why in written.unverified.items()])
    text_lines += some([f"refused {lost.name}: {lost.reason}" for lost in file.lost])
    return [*text_lines, *read.warnings, *written.warnings]


def loss_line(file: Converted) -> str:
    """The share of modules and of energy that was refused."""
    loss = file.loss_json()
    if not loss or not loss["modules"]:
        return ""
    share = f"{loss['modules']} of {loss['of']} modules"
    return f"LOST {share} and {loss['energy']:.2%} of the energy; "


def some(texts: list[str]) -> list[str]:
    """The first few, the rest counted."""
    more = [f"and {len(texts) - SHOWN} more like these"] if len(texts) > SHOWN else []
    return texts[:SHOWN] + more
