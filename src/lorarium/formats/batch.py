"""One file, or every adapter under a folder into the same tree: what goes where, and going on after
a bad one. Every command that writes a file for a file goes through it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from lorarium.errors import LorariumError, file_error
from lorarium.files import exists, is_folder
from lorarium.formats import peft
from lorarium.formats.reading import FOLDERS

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Pair:
    """A file to read and one to write; `clash` is another that would be written to the same."""

    source: Path
    target: Path
    clash: Path | None = None


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What came of a pair: a result, or the problem that stopped it."""

    source: Path
    target: Path
    result: Result | None
    problem: LorariumError | None = None


def is_batch(source: Path) -> bool:
    """Whether a path stands for the adapters under it, not for one."""
    return is_folder(source) and not is_peft(source)


def is_peft(folder: Path) -> bool:
    """Whether a folder is one adapter: a PEFT folder, or one with a PEFT folder per network."""
    return is_folder(folder) and (
        (folder / peft.CONFIG).is_file()
        or any((folder / name / peft.CONFIG).is_file() for name in FOLDERS)
    )


def pairs(source: Path, target: Path, *, as_folders: bool = False) -> list[Pair]:
    """What is written for what; a PEFT folder for each with `as_folders`."""
    if not exists(source):
        raise LorariumError("no such file or folder", where=str(source))
    if not is_batch(source):
        if is_folder(target) and not as_folders and not is_peft(target):
            target /= _target_name(Path(source.name), as_folders)
        return [Pair(source, target)]
    paths = adapters_under(source)
    if not paths:
        raise LorariumError("holds no adapters", where=str(source))
    source_of: dict[Path, Path] = {}
    plan = []
    for path in paths:
        out = target / _target_name(path.relative_to(source), as_folders)
        first = source_of.setdefault(out, path)
        plan.append(Pair(path, out, None if first == path else first))
    return plan


def adapters_under(folder: Path) -> list[Path]:
    """Adapter files and PEFT folders under a folder, in order; links are not followed."""
    paths: list[Path] = []
    for here, folders, files in os.walk(folder):
        if is_peft(Path(here)):
            paths.append(Path(here))
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths += [
            Path(here, name)
            for name in sorted(files)
            if name.endswith(SUFFIXES) and not name.startswith(".")
        ]
    return [path for path in paths if not path.is_symlink()]


def _target_name(path: Path, as_folders: bool) -> Path:
    stem = path.with_suffix("") if path.suffix in SUFFIXES else path
    return stem if as_folders else stem.with_name(stem.name + ".safetensors")


def for_each(
    plan: Iterable[Pair], work: Callable[[Path, Path], Result]
) -> Iterator[Outcome[Result]]:
    """`work` (source, target) on each; one that cannot be done stops no other."""
    for pair in plan:
        try:
            if pair.clash is not None:
                what = f"{pair.clash} is written under the same name, {pair.target}"
                raise LorariumError(what, where=str(pair.source))
            yield Outcome(pair.source, pair.target, work(pair.source, pair.target))
        except OSError as error:
            problem = LorariumError(f"cannot be written: {error.strerror}", where=str(pair.target))
            yield Outcome(pair.source, pair.target, None, problem)
        except Exception as error:
            yield Outcome(pair.source, pair.target, None, file_error(error, str(pair.source)))
