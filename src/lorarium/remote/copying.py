"""A remote file as a local one, for readers that need all of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from lorarium.errors import LorariumError
from lorarium.remote.address import RemotePath
from lorarium.remote.opening import RemoteFile, open_remote

SMALL = 2**24  # bytes of a file that only comes along


@contextmanager
def local_copy(
    path: RemotePath, file: RemoteFile | None = None, *, along: Collection[str] = ()
) -> Iterator[Path]:
    """The whole file in a folder of its own until the end of the block, under its own name, with
    the small files `along` from beside it where they are there.

    What is mapped from it stays readable. Errors about the copy name the remote file.
    """
    import tempfile  # a start that needs no copy is not to wait for it

    file = file or open_remote(path)
    with tempfile.TemporaryDirectory(prefix="lorarium-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder, path.name)
        with open(copy, "wb") as out:
            for chunk in file.chunks(0, file.size):
                out.write(chunk)
        for name in along:
            if content := small_file(path.beside(name)):
                copy.with_name(name).write_bytes(content)
        try:
            yield copy
        except LorariumError as error:
            where = error.where.replace(str(copy), str(path)).replace(folder, str(path))
            raise LorariumError(error.what, where=where, hint=error.hint) from None


def small_file(path: RemotePath) -> bytes:
    """A small file, empty where there is none."""
    try:
        file = open_remote(path)
    except LorariumError as error:
        if getattr(error, "absent", False):
            return b""
        raise
    if file.size > SMALL:
        raise LorariumError(f"larger than {SMALL >> 20} MiB", where=str(path))
    return file.read(0, file.size)
