"""Files and folders of them from one dialect into another, going on after a bad one."""

from __future__ import annotations

import os
from pathlib import Path

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError, file_error
from lorarium.files import exists, is_folder

from . import peft
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
) -> ConvertReport:
    """Convert one file or PEFT folder, or every adapter under a folder into the same tree.

    `expert` ("high" or "low") says which of two denoisers a file is for when it does not say.
    """
    start, goal = Path(source), Path(target)
    if not exists(start):
        raise LorariumError("no such file or folder", where=str(start))
    if not is_folder(start) or is_peft(start):
        if is_folder(goal) and to != "peft" and not is_peft(goal):
            goal = goal / _name(Path(start.name), to)
        return ConvertReport((_convert(start, goal, to, dtype, expert),))
    files = adapters_under(start)
    if not files:
        raise LorariumError("holds no adapters", where=str(start))
    return ConvertReport(
        tuple(
            _convert(path, goal / _name(path.relative_to(start), to), to, dtype, expert)
            for path in files
        )
    )


def is_peft(folder: Path) -> bool:
    """Whether a folder is one adapter: a PEFT folder, or one with a PEFT folder per network."""
    return is_folder(folder) and (
        (folder / peft.CONFIG).is_file()
        or any((folder / name / peft.CONFIG).is_file() for name in FOLDERS)
    )


def adapters_under(folder: Path) -> list[Path]:
    """Adapter files and PEFT folders under a folder, in order; links are not followed."""
    found: list[Path] = []
    for here, folders, files in os.walk(folder):
        if is_peft(Path(here)):
            found.append(Path(here))
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(here, name)
            for name in sorted(files)
            if name.endswith(_SUFFIXES) and not name.startswith(".")
        ]
    return [path for path in found if not path.is_symlink()]


def _name(path: Path, to: str | None) -> Path:
    stem = path.with_suffix("") if path.suffix in _SUFFIXES else path
    return stem if to == "peft" else stem.with_name(stem.name + ".safetensors")


def _convert(
    source: Path,
    target: Path,
    to: str | None,
    dtype: DType | None,
    expert: str | None,
) -> Converted:
    try:
        adapter, report = read_report(source)
        if report.family.id == "not-diffusion":
            evidence = "; ".join(report.family.evidence)
            raise LorariumError(f"not a diffusion LoRA: {evidence}", where=str(source))
        if expert is not None:
            adapter = _assign(adapter, expert)
        target.parent.mkdir(parents=True, exist_ok=True)
        return Converted(str(source), str(target), report, write(adapter, target, to, dtype))
    except OSError as error:
        reason = f"{target}: cannot be written: {error.strerror}"
        return Converted(str(source), str(target), error=reason)
    except Exception as error:
        reason = str(file_error(error, str(source)))
        return Converted(str(source), str(target), error=reason)


def _assign(adapter: Adapter, expert: str) -> Adapter:
    """Give modules of a denoiser whose expert is unknown to one of the two."""
    parts = {"high": "denoiser", "low": "denoiser_2"}
    if expert not in parts:
        raise LorariumError(f"unknown expert {expert!r}", hint="high or low")
    deltas = {
        module._replace(part=parts[expert])
        if module.part == "denoiser_unknown_expert"
        else module: d
        for module, d in adapter.items()
    }
    return adapter.with_(deltas=deltas)
