"""Files and folders of them from one dialect into another, going on after a bad one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError, UnverifiedError, file_error
from lorarium.files import exists, is_folder

from . import experts, peft, programs
from .families import FAMILIES
from .reading import FOLDERS, read_report
from .report import Converted, ConvertReport
from .writing import DType, write

_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    to: str | None = None,
    dtype: DType | None = None,
    expert: str | None = None,
    program: str | None = None,
    *,
    force: bool = False,
    allow_loss: bool = False,
) -> ConvertReport:
    """Convert one file or PEFT folder, or every adapter under a folder into the same tree.

    `program` names one of `programs.PROGRAMS`, which then chooses the dialect by the family;
    `expert` ("high" or "low") says which of two denoisers a file is for when it does not say.
    A file of which modules were refused is not `ok`, unless `allow_loss` says that it is wanted.
    """
    if program is not None and to is not None:
        raise LorariumError(
            "a dialect and a program are two answers to one question", hint="give --to or --for"
        )
    start, goal = Path(source), Path(target)
    if not exists(start):
        raise LorariumError("no such file or folder", where=str(start))
    if not is_folder(start) or is_peft(start):
        if is_folder(goal) and to != "peft" and not is_peft(goal):
            goal = goal / _name(Path(start.name), to)
        pairs = [(start, goal)]
    else:
        pairs = [
            (path, goal / _name(path.relative_to(start), to)) for path in adapters_under(start)
        ]
        if not pairs:
            raise LorariumError("holds no adapters", where=str(start))
    source_of: dict[Path, Path] = {}
    files = []
    for path, out in pairs:
        if source_of.setdefault(out, path) != path:
            what = f"{path}: {source_of[out]} is written under the same name, {out}"
            files.append(Converted(str(path), str(out), error=what))
        else:
            files.append(_convert(path, out, to, dtype, expert, program, force, allow_loss, start))
    return ConvertReport(tuple(files))


def is_peft(folder: Path) -> bool:
    """Whether a folder is one adapter: a PEFT folder, or one with a PEFT folder per network."""
    return is_folder(folder) and (
        (folder / peft.CONFIG).is_file()
        or any((folder / name / peft.CONFIG).is_file() for name in FOLDERS)
    )


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
            if name.endswith(_SUFFIXES) and not name.startswith(".")
        ]
    return [path for path in paths if not path.is_symlink()]


def _name(path: Path, to: str | None) -> Path:
    stem = path.with_suffix("") if path.suffix in _SUFFIXES else path
    return stem if to == "peft" else stem.with_name(stem.name + ".safetensors")


def _convert(
    source: Path,
    target: Path,
    to: str | None,
    dtype: DType | None,
    expert: str | None,
    program: str | None,
    force: bool,
    allow_loss: bool,
    start: Path,
) -> Converted:
    names = str(source), str(target)
    try:
        adapter, report = read_report(source)
        if report.family.id == "not-diffusion":
            evidence = "; ".join(report.family.evidence)
            raise LorariumError(f"not a diffusion LoRA: {evidence}", where=str(source))
        if expert is not None:
            adapter = _assign(adapter, expert)
        row = programs.row_for(program, report.family.id) if program else None
        target.parent.mkdir(parents=True, exist_ok=True)
        dialect = row.dialect if row else to
        written = write(
            adapter, target, dialect, dtype, force=force, inputs=[start], keep_nonfinite=True
        )
        if row:
            more = programs.warnings(row, adapter, dict(report.kinds))
            written = replace(written, warnings=(*written.warnings, *more))
        return Converted(*names, report, written, loss_allowed=allow_loss)
    except UnverifiedError as error:
        return Converted(*names, error=str(error), unverified=error.faults)
    except OSError as error:
        reason = f"{target}: cannot be written: {error.strerror}"
        return Converted(*names, error=reason)
    except Exception as error:
        return Converted(*names, error=str(file_error(error, str(source))))


def _assign(adapter: Adapter, expert: str) -> Adapter:
    """Give modules of a denoiser whose expert is unknown to one of the two."""
    parts = experts.PARTS
    if expert not in parts:
        raise LorariumError(f"unknown expert {expert!r}", hint="high or low")
    own = [part for part in adapter.parts() if part.startswith("denoiser")]
    family = FAMILIES.get(adapter.family)
    if len(own) > 1 or (own and family is not None and not family.experts):
        reason = "says itself which" if len(own) > 1 else "is for a model with one denoiser"
        raise LorariumError(f"the file {reason}", hint="leave --expert out")
    deltas = {
        module._replace(part=parts[expert]) if module.part in own else module: d
        for module, d in adapter.items()
    }
    return adapter.with_(deltas=deltas)
