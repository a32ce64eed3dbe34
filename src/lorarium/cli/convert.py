"""`lorarium convert`: the report of a conversion, one line for each file and each refusal."""

from __future__ import annotations

from pathlib import Path

import click

from lorarium import formats
from lorarium.cli.common import json_flag, one_line, print_json, quiet_flag
from lorarium.formats.dialects import TARGETS
from lorarium.formats.programs import PROGRAMS
from lorarium.formats.report import Converted

DTYPES = ("fp16", "bf16", "fp32", "fp8_e4m3", "fp8_e5m2")


@click.command("convert")
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--to", type=click.Choice(TARGETS), help="Dialect to write (default: the same).")
@click.option(
    "--for",
    "program",
    type=click.Choice(PROGRAMS),
    help="Write what this program loads for the file's family.",
)
@click.option("--dtype", type=click.Choice(DTYPES), help="Number type to store.")
@click.option(
    "--expert",
    type=click.Choice(["high", "low"]),
    help="Which of two denoisers a file is for, where it does not say.",
)
@json_flag
@quiet_flag
def command(
    source: Path,
    target: Path,
    to: str | None,
    program: str | None,
    dtype: str | None,
    expert: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Rewrite a LoRA file, a PEFT folder or a folder of them in another dialect, checked.

    Every key is mapped, carried or refused by name; the result is read back and compared.

    \b
    lorarium convert ink.safetensors ink-diffusers.safetensors --to diffusers
    lorarium convert loras/ for-comfy/ --for comfyui --dtype fp16
    """
    report = formats.convert(source, target, to=to, dtype=dtype, expert=expert, program=program)
    for file in report.files:
        if not file.ok:
            click.echo(f"lorarium: {one_line(file.error)}", err=True)
        elif not as_json and not quiet:
            first, *others = map(one_line, lines(file))
            click.echo("\n  ".join([first, *others]))
    if as_json:
        print_json(report.to_json())
    if not report.ok:
        return 2
    return 0 if all(file.written and file.written.verified for file in report.files) else 1


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
    shown = [
        f"{file.target}: {read.dialect} -> {written.dialect}, {written.family}, "
        f"{', '.join(counts)}; {check if written.verified else 'NOT VERIFIED, ' + check}"
    ]
    shown += [f"refused {key.key}: {key.reason}" for key in read.refused()]
    shown += [f"refused {module.name}: {module.reason}" for module in written.refused()]
    return [*shown, *read.warnings, *written.warnings]
