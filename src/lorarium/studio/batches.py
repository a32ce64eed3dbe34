"""Jobs that do one thing to each of some files, going on after one that it cannot be done to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lorarium import formats
from lorarium.errors import LorariumError, file_error
from lorarium.formats.container import load_header
from lorarium.formats.edit import edit_metadata
from lorarium.formats.target import check_target
from lorarium.mergers.resize import resize_file
from lorarium.studio.allowed import AllowedFolders, plain_name

Args = Mapping[str, Any]
Progress = Callable[..., None]
Work = Callable[[Args, Progress], dict[str, Any]]
MOST_TOLD = 100  # files by name


def convert_files(args: Args, progress: Progress) -> dict[str, Any]:
    def convert(path: Path) -> str:
        (done,) = formats.convert(
            path,
            _target(args, path),
            to=args["dialect"] or None,
            program=args["program"] or None,
            dtype=args["dtype"] or None,
        ).files
        if done.error:
            raise LorariumError(done.error)
        return "" if done.ok else f"{len(done.lost)} modules are lost in the new file"

    return _each(args, progress, convert)


def resize_files(args: Args, progress: Progress) -> dict[str, Any]:
    sizes = {name: args[name] for name in ("rank", "energy") if args[name] is not None}

    def resize(path: Path) -> str:
        done = resize_file(path, _target(args, path), dtype=args["dtype"] or None, **sizes)
        lost = done.written.lost_energy
        return f"{lost:.1%} of its energy is lost" if lost else ""

    return _each(args, progress, resize)


def change_metadata(args: Args, progress: Progress) -> dict[str, Any]:
    put, remove = dict(args["put"]), list(args["remove"])

    def change(path: Path) -> str:
        before = load_header(path).metadata
        gone = [key for key in remove if key in before]
        if gone or any(before.get(key) != value for key, value in put.items()):
            edit_metadata(path, put=put, remove=gone)
        return ""

    return _each(args, progress, change)


def _target(args: Args, path: Path) -> Path:
    """The new file beside an old one."""
    name = plain_name(f"{path.stem}{args['ending']}.safetensors")
    return check_target(AllowedFolders.of(args["folders"]).inside(path.with_name(name)))


def _each(args: Args, progress: Progress, work: Callable[[Path], str]) -> dict[str, Any]:
    """What was done to how many files, and what is to be said of some."""
    allowed, total, done = AllowedFolders.of(args["folders"]), len(args["files"]), 0
    problems = []
    for number, name in enumerate(args["files"]):
        progress(number, total, Path(name).name)
        try:
            words = work(allowed.file(name))
            done += 1
        except Exception as error:  # one file stops no others
            words = str(file_error(error))
        if words:
            problems.append({"path": name, "problem": words})
    return {"done": done, "of": total, "problems": problems[:MOST_TOLD]}
