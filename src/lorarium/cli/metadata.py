"""`lorarium metadata`: show what a file says about itself, or change it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import click

from lorarium.cli.batch import for_files
from lorarium.cli.common import (
    force_flag,
    json_flag,
    near_path,
    one_line,
    print_json,
    quiet_flag,
)
from lorarium.errors import LorariumError
from lorarium.formats import peft
from lorarium.formats.batch import Pair, is_batch, pairs
from lorarium.formats.container import load
from lorarium.formats.edit import edit_metadata

SHOWN = 200  # characters of one value; --json shows all


@click.command("metadata")
@click.argument("file", metavar="FILE")
@click.option("--set", "put", multiple=True, metavar="KEY=VALUE", help="Add or change an entry.")
@click.option("--remove", multiple=True, metavar="KEY", help="Take an entry out.")
@click.option("-o", "--out", metavar="FILE", help="Write there instead of changing FILE.")
@force_flag
@json_flag
@quiet_flag
def command(
    file: str,
    put: tuple[str, ...],
    remove: tuple[str, ...],
    out: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Show or edit the metadata of LoRA files.

    The tensors are copied as they are, bit for bit; without -o the file is replaced in one step,
    and --force is for -o alone. A folder stands for every file below it: entries to remove are then
    taken out where they are, and a file that already says what is asked is left alone.

    \b
    lorarium metadata ink.safetensors
    lorarium metadata ink.safetensors --set modelspec.author=Ada --remove ss_session_id
    lorarium metadata loras/ --set modelspec.author=Ada
    """
    changes = {}
    for item in put:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--set wants KEY=VALUE, not '{item}'")
        changes[key] = value
    editing = bool(changes or remove or out)
    if is_batch(Path(file)):
        return _folder(Path(file), out, changes, remove, editing, force, as_json, quiet)
    if editing:
        metadata = edit_metadata(file, out, put=changes, remove=remove, force=force)
    else:
        metadata = dict(load(file).metadata)
    if as_json:
        print_json({"path": out or file, "metadata": metadata})
    elif not quiet:
        click.echo("\n".join(_lines(metadata)))
    return 0


def _folder(
    folder: Path, out: str | None, changes: dict[str, str], remove: tuple[str, ...],
    editing: bool, force: bool, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    plan = [
        replace(pair, source=_weights(pair.source)) for pair in pairs(folder, Path(out or folder))
    ]
    if not out:
        plan = [Pair(pair.source, pair.source) for pair in plan]

    def work(path: Path, goal: Path) -> Metadata:
        before = dict(load(path).metadata)
        gone = [key for key in remove if key in before]
        same = not gone and all(before.get(key) == value for key, value in changes.items())
        if not editing or (same and out is None):
            return Metadata(before, changed=False)
        target = None if out is None else goal
        if target is not None:
            if path.name in peft.WEIGHTS:
                what = "a PEFT folder is more than one file, and -o writes one"
                raise LorariumError(what, where=str(path), hint="leave -o out, or copy it first")
            target.parent.mkdir(parents=True, exist_ok=True)
        return Metadata(
            edit_metadata(path, target, put=changes, remove=gone, force=force), changed=True
        )

    def line(goal: Path, done: Metadata) -> str:
        path = near_path(str(goal))
        if editing:
            return f"{path}: {'changed' if done.changed else 'as it was'}"
        return "\n  ".join([path, *_lines(done.entries)])

    return for_files(
        plan, work, line,
        lambda goal, done: {"path": str(goal), "changed": done.changed, "metadata": done.entries},
        as_json=as_json, quiet=quiet,
    )  # fmt: skip


@dataclass(frozen=True)
class Metadata:
    """Of one file as it now is."""

    entries: dict[str, str]
    changed: bool


def _weights(path: Path) -> Path:
    """The file of a PEFT folder that holds the tensors."""
    inside = [path / name for name in peft.WEIGHTS if (path / name).is_file()]
    return inside[0] if inside else path


def _lines(metadata: dict[str, str]) -> list[str]:
    lines = [f"{one_line(key, 80)}: {one_line(metadata[key], SHOWN)}" for key in sorted(metadata)]
    return lines or ["no metadata"]
