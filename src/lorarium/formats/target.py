"""The one door to the disk: nothing is written over unasked, and nothing is ever half written.

Every file and folder that lorarium makes for a person comes through here. What is there already
gives way only to `force`; when it was an input it is kept beside as NAME.bak.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lorarium.errors import LorariumError
from lorarium.formats.peft import WEIGHTS as PEFT_WEIGHTS

AnyPath = str | os.PathLike[str]

ADAPTER_SUFFIXES = (".safetensors",)
# what other tools write tensors to: a name that ends so promises a format that we do not write
FOREIGN_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx", ".npz", ".msgpack", ".h5")


def check_target(
    path: AnyPath,
    *,
    inputs: Iterable[AnyPath] = (),
    force: bool = False,
    suffixes: tuple[str, ...] = (),
    folder: bool = False,
) -> Path:
    """The path, when it may be written to; to be asked before the work that fills it.

    `inputs` are the files and folders that the work reads; `suffixes` those that the name may have.
    `folder` says that a folder is to be written, for which an empty one is free.
    """
    path = Path(path)
    if suffixes and path.suffix.lower() not in suffixes:
        what = f"a name that ends in {' or '.join(suffixes)} is needed"
        raise LorariumError(what, where=str(path), hint="no other format is written")
    if not os.path.lexists(path):
        if not path.parent.is_dir():
            raise LorariumError("cannot be written: no such folder", where=str(path))
        return path
    if path.is_dir() != folder or not (path.is_dir() or path.is_file() or path.is_symlink()):
        kind = "a folder" if path.is_dir() else "a file" if path.is_file() else "no ordinary file"
        what = f"this is {kind}, {'a folder' if folder else 'a file'} is to be written"
        raise LorariumError(what, where=str(path), hint="use another name")
    if not (force or (folder and not any(path.iterdir()))):
        raise _refusal(path, inputs)
    return path


def check_adapter_target(
    path: AnyPath,
    dialect: str | None = None,
    *,
    inputs: Iterable[AnyPath] = (),
    force: bool = False,
) -> Path:
    """As `check_target`, for an adapter: a .safetensors file, or a folder in the dialect `peft`.

    Without a dialect it will be that of the first input.
    """
    path, inputs = Path(path), tuple(inputs)
    if dialect is None and inputs and not path.suffix:
        first = Path(inputs[0])
        dialect = "peft" if first.is_dir() or first.name in PEFT_WEIGHTS else None
    if path.suffix.lower() in ADAPTER_SUFFIXES or dialect != "peft":
        return check_target(path, inputs=inputs, force=force, suffixes=ADAPTER_SUFFIXES)
    if path.suffix.lower() in FOREIGN_SUFFIXES:
        what = f"a folder is to be written, and {path.suffix} is the name of a file"
        raise LorariumError(what, where=str(path), hint="end it in .safetensors for a file")
    return check_target(path, inputs=inputs, force=force, folder=True)


def _refusal(path: Path, inputs: Iterable[AnyPath]) -> LorariumError:
    if _is_input(path, inputs):
        hint = f"--force writes over it and keeps the old one as {path.name}.bak"
        return LorariumError("this is one of the inputs", where=str(path), hint=hint)
    return LorariumError("is there already", where=str(path), hint="--force writes over it")


def _is_input(path: Path, inputs: Iterable[AnyPath]) -> bool:
    """Whether the path is an input, holds one, or lies in one that is a folder."""
    for given in map(Path, inputs):
        try:
            if path.samefile(given):
                return True
            ours, theirs = path.resolve(), given.resolve()
        except (OSError, ValueError):  # a preset's name, or nothing that could be written over
            continue
        if ours in theirs.parents or theirs in ours.parents:
            return True
    return False


def write_atomically(
    path: AnyPath,
    chunks: Iterable[bytes | memoryview],
    check: Callable[[Path], None] | None = None,
    *,
    force: bool = False,
    inputs: Iterable[AnyPath] = (),
) -> None:
    """Write beside, flush to the disk, check, rename; on any failure the old file stays."""
    path, inputs = check_target(path, inputs=inputs, force=force), tuple(inputs)
    with _sibling(path) as beside:
        with open(beside, "xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if check:
            check(beside)
        if path.exists():
            os.chmod(beside, stat.S_IMODE(path.stat().st_mode) & 0o777)
        _move(beside, path, force, inputs)


def write_folder_atomically(
    path: AnyPath,
    fill: Callable[[Path], None],
    *,
    force: bool = False,
    inputs: Iterable[AnyPath] = (),
) -> None:
    """A folder, filled beside by `fill`, then renamed: whole or not at all."""
    path = check_target(path, inputs=inputs, force=force, folder=True)
    inputs = tuple(inputs)
    with _sibling(path) as beside:
        beside.mkdir()
        fill(beside)
        _move(beside, path, force, inputs)


@contextmanager
def _sibling(path: Path) -> Iterator[Path]:
    beside = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.tmp")
    try:
        yield beside
    except OSError as error:
        reason = error.strerror or str(error)
        raise LorariumError(f"cannot be written ({reason})", where=str(path)) from None
    finally:
        if beside.is_dir():
            _remove(beside)
        else:
            beside.unlink(missing_ok=True)


def _move(beside: Path, path: Path, force: bool, inputs: Iterable[AnyPath]) -> None:
    """The finished file or folder takes its name."""
    folder = beside.is_dir()
    # asked again, as another process may have written there meanwhile
    check_target(path, inputs=inputs, force=force, folder=folder)
    old = None
    if os.path.lexists(path) and _is_input(path, inputs):
        old = _back_up(path)
    elif folder and path.is_dir():
        old = beside.with_suffix(".old")
        os.replace(path, old)
    try:
        if force or folder or not _link(beside, path):
            os.replace(beside, path)
    except OSError:
        if old is not None and not os.path.lexists(path):
            os.replace(old, path)
        raise
    if old is not None and old.suffix == ".old":
        _remove(old)
    _sync_folder(path.parent)


def _link(beside: Path, path: Path) -> bool:
    """A new name for a file, which unlike a rename fails where the name is taken."""
    try:
        os.link(beside, path)
    except FileExistsError:
        raise _refusal(path, ()) from None
    except OSError:  # not every file system has links
        return False
    return True


def _back_up(path: Path) -> Path:
    """What is there under the first free name of NAME.bak, NAME.bak2, NAME.bak3..."""
    count = 1
    while os.path.lexists(backup := path.with_name(f"{path.name}.bak{count if count > 1 else ''}")):
        count += 1
    try:
        os.link(path, backup, follow_symlinks=False)
    except (OSError, NotImplementedError):  # a folder, or a file system without links
        os.replace(path, backup)
    return backup


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # not every system opens folders; the rename itself is done
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    import shutil  # brings every compressor along, which reading a file does not need

    shutil.rmtree(folder, ignore_errors=True)
