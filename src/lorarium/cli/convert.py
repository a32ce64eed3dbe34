"""`lorarium convert`: another dialect, with an account of every key."""

from __future__ import annotations

from collections.abc import Iterator

import click

from lorarium.cli.common import json_flag, one_line, print_json, quiet_flag
from lorarium.formats import Converted, convert

SHOWN = 10  # refused or carried names told per file; --json tells all


@click.command("convert")
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option(
    "--to", metavar="DIALECT", help="kohya, diffusers, peft, comfy; IN's own if not given."
)
@click.option("--dtype", metavar="TYPE", help="Number type: fp32, fp16, bf16, fp8_e4m3, fp8_e5m2.")
@click.option(
    "--expert",
    type=click.Choice(["high", "low"]),
    help="Which of two denoisers a file is for, when it does not say.",
)
@json_flag
@quiet_flag
def command(
    source: str,
    target: str,
    to: str | None,
    dtype: str | None,
    expert: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Rewrite LoRA files in another dialect, checked key by key.

    IN is a file, a PEFT folder, or a folder of them. What was written is read back and compared.
    A file that cannot be converted is one line on stderr; the others go on, and the exit code is 2.

    \b
    lorarium convert ink.safetensors ink-diffusers.safetensors --to diffusers
    """
    report = convert(source, target, to, dtype, expert)
    for file in report.files:
        if not file.ok:
            click.echo(f"lorarium: {one_line(file.error)}", err=True)
        elif not as_json and not quiet:
            for index, line in enumerate(_lines(file)):
                click.echo(("  " if index else "") + one_line(line))
    if as_json:
        print_json(report.to_json())
    return 0 if report.ok else 2


def _lines(file: Converted) -> Iterator[str]:
    read, written = file.read, file.written
    assert read is not None and written is not None
    fates = [f"{written.count(fate)} {fate}" for fate in ("exact", "rounded", "carried", "refused")]
    yield (
        f"{file.source} ({read.family.id}, {read.dialect}) -> {file.target} ({written.dialect}): "
        f"{', '.join(fate for fate in fates if not fate.startswith('0 '))}"
        + ("; read back and compared" if written.verified else "; NOT the same when read back")
    )
    refused = [(key.key, key.reason) for key in read.refused()]
    refused += [(module.name, module.reason) for module in written.refused()]
    for name, reason in refused[:SHOWN]:
        yield f"refused {name}: {reason}"
    if len(refused) > SHOWN:
        yield f"and {len(refused) - SHOWN} more refused; --json names all"
    for warning in dict.fromkeys((*read.warnings, *written.warnings)):
        yield f"note: {warning}"
