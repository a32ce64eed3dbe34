"""A remote safetensors file of which the header is read, and of the tensors only some."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lorarium.adapter import Array
from lorarium.errors import LorariumError
from lorarium.files import is_regular, open_regular, require_regular
from lorarium.remote import RemoteFile, RemotePath
from lorarium.remote.copying import small_file

from . import peft
from .container import RawFile
from .header import AGAIN, DTYPES, SNIFFED, Header, TensorInfo, parse_header, sniff_head

GAP = 2**16  # bytes between two tensors that are read rather than asked around
MOST_RANGES = 8  # requests for the alphas of a file; where they lie farther apart they stay unread
LARGEST_ALPHA = 8  # bytes


class BytesRead(NamedTuple):
    """How much of a file came over the wire."""

    bytes: int
    of: int

    @property
    def share(self) -> float:
        return self.bytes / self.of if self.of else 1.0


def remote_header(file: RemoteFile, path: Path | RemotePath) -> Header:
    """The checked header of a safetensors file; of another kind there is nothing to read alone."""
    head = file.read(0, min(file.size, SNIFFED))
    container = sniff_head(head, file.size, path)
    if container != "safetensors":
        what = f"a {container} file has no header that could be read alone"
        raise LorariumError(what, where=str(path), hint="--full reads all of it")
    (length,) = struct.unpack("<Q", head[:8])
    if 8 + length > file.size:
        what = f"cut short: the header claims {length} bytes and the file has {file.size}"
        raise LorariumError(what, where=str(path), hint=AGAIN)
    return parse_header(file.read(8, length), file.size, path)


def glance(file: RemoteFile, path: Path | RemotePath) -> tuple[RawFile, bool]:
    """Names, types and shapes of all tensors, and whether the alphas hold their true values: they
    do where few requests bring them. Unread entries are ones."""
    header = remote_header(file, path)
    alphas = [
        name
        for name, info in header.tensors.items()
        if info.end - info.start <= LARGEST_ALPHA and math.prod(info.shape) == 1
    ]
    known = len(list(ranges(header.tensors[name] for name in alphas))) <= MOST_RANGES
    read = read_tensors(file, header, alphas if known else ())
    ones = {name: np.ones((), dtype) for name, dtype in DTYPES.items()}
    tensors = {
        name: read[name] if name in read else np.broadcast_to(ones[info.dtype], info.shape)
        for name, info in header.tensors.items()
    }
    return RawFile(path, tensors, header.metadata, "safetensors", file.size, header), known


def read_tensors(
    file: RemoteFile, header: Header, names: Iterable[str], gap: int = GAP
) -> dict[str, Array]:
    """Some tensors of a file by as few requests as neighbours allow."""
    wanted = {name: header.tensors[name] for name in names}
    blocks = [
        (start, file.read(start, stop - start)) for start, stop in ranges(wanted.values(), gap)
    ]
    tensors = {}
    for name, info in wanted.items():
        start, block = next(b for b in reversed(blocks) if b[0] <= info.start)
        dtype, count = DTYPES[info.dtype], math.prod(info.shape)
        # a copy is aligned, and lets go of what lies between
        flat = np.frombuffer(block[info.start - start : info.end - start], dtype, count)
        tensors[name] = flat.reshape(info.shape)
    return tensors


def ranges(infos: Iterable[TensorInfo], gap: int = GAP) -> Iterator[tuple[int, int]]:
    """Where what is asked for at once starts and stops."""
    start = stop = -1
    for info in sorted(infos, key=lambda info: info.start):
        if start < 0:
            start, stop = info.start, info.end
        elif info.start - stop <= gap:
            stop = max(stop, info.end)
        else:
            yield start, stop
            start, stop = info.start, info.end
    if start >= 0:
        yield start, stop


def remote_config(path: Path | RemotePath) -> peft.Config | None:
    """What a PEFT config beside a file says, where the file's name is PEFT's."""
    if path.name not in peft.WEIGHTS:
        return None
    if isinstance(path, Path):
        there = is_regular(path.with_name(peft.CONFIG))
        return peft.read_config(path.parent) if there else None
    content = small_file(path.beside(peft.CONFIG))
    return peft.config_of_text(content, str(path.beside(peft.CONFIG))) if content else None


class FileHere:
    """A file of this machine, read as a remote one is."""

    version = ""

    def __init__(self, path: Path) -> None:
        self._path, self.bytes_read = path, 0
        self.size = require_regular(path).st_size

    def read(self, start: int, count: int) -> bytes:
        with open_regular(self._path) as file:
            file.seek(start)
            content = file.read(count)
        if len(content) < count:
            what = f"cut short: {len(content)} of {count} bytes were there"
            raise LorariumError(what, where=str(self._path))
        self.bytes_read += count
        return content

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        yield self.read(start, stop - start)
