"""Tensor files in and out: safetensors in numpy, torch files through torch's own safe loader."""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from lorarium.errors import LorariumError, quoted
from lorarium.formats.header import (
    DTYPE_NAMES,
    DTYPES,
    Container,
    Header,
    TensorInfo,
    load_header,
    open_regular,
    parse_header,
    read_header,
    sniff,
)
from lorarium.formats.target import AnyPath, write_atomically
from lorarium.remote import RemotePath

__all__ = ["Header", "RawFile", "TensorInfo", "load", "load_header", "save", "write_atomically"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class RawFile:
    """A tensor file: arrays by key (read-only, mapped from the file) and its metadata.

    `header` is None for torch files, whose whole content counts as payload.
    """

    path: Path | RemotePath
    tensors: Mapping[str, Array]
    metadata: Mapping[str, str]
    container: Container
    size: int
    header: Header | None = None

    @property
    def payload_start(self) -> int:
        return self.header.payload_start if self.header else 0


def load(path: str | os.PathLike[str]) -> RawFile:
    """Read a tensor file; what is wrong with it is one `LorariumError`."""
    path = Path(path)
    container = sniff(path)
    if container == "safetensors":
        return _load_safetensors(path)
    from lorarium.formats import torch_file

    tensors, metadata = torch_file.load(path)
    return RawFile(path, tensors, metadata, container, path.stat().st_size)


def _load_safetensors(path: Path) -> RawFile:
    with open_regular(path) as file:
        header = read_header(file, path)
        check_with_library(path)
        buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    tensors = {name: view(buffer, info) for name, info in header.tensors.items()}
    return RawFile(path, tensors, header.metadata, "safetensors", header.size, header)


def view(buffer: mmap.mmap, info: TensorInfo) -> Array:
    """One tensor of a mapped file, read-only; a copy where the file does not align it."""
    dtype, count = DTYPES[info.dtype], math.prod(info.shape)
    if not count:
        return np.zeros(info.shape, dtype)
    array = np.frombuffer(buffer, dtype, count, info.start).reshape(info.shape)
    if array.flags.aligned:
        return array
    array = array.copy()
    array.flags.writeable = False
    return array


def check_with_library(path: Path) -> None:
    """The safetensors library has the last word on whether a file is one."""
    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise LorariumError(f"not a valid safetensors file ({error})", where=str(path)) from None


def save(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Array],
    metadata: Mapping[str, str] | None = None,
    *,
    check: Callable[[Path], None] | None = None,
    force: bool = False,
    inputs: Iterable[AnyPath] = (),
) -> None:
    """Write a safetensors file, whole or not at all; equal input gives equal bytes.

    `check` sees the finished file before it takes its name; `force` and `inputs` as in `target`.

    The layout is the library's (wide dtypes first, then by name), which does not keep the order
    of metadata between runs; here it is sorted.
    """
    path = Path(path)
    table: dict[str, object] = {}
    if metadata:
        table["__metadata__"] = dict(sorted(metadata.items()))
    position = 0
    for name in sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name)):
        array = tensors[name]
        dtype = DTYPE_NAMES.get(array.dtype.newbyteorder("="))
        if dtype is None:
            what = f"{quoted(name)} has dtype {array.dtype}, which safetensors cannot hold"
            raise LorariumError(what, where=str(path))
        offsets = [position, position + array.nbytes]
        table[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
        position = offsets[1]
    header = encode_header(table)
    # the same checks as at reading: what is written can be read
    parse_header(header, 8 + len(header) + position, path)

    def chunks() -> Iterator[bytes | memoryview]:
        yield struct.pack("<Q", len(header)) + header
        for name in table:
            if name != "__metadata__" and tensors[name].size:
                yield _little_endian_bytes(tensors[name])

    def checked(beside: Path) -> None:
        check_with_library(beside)
        if check is not None:
            check(beside)

    write_atomically(path, chunks(), checked, force=force, inputs=inputs)


def encode_header(table: Mapping[str, object]) -> bytes:
    """JSON of a header, padded with blanks so that the payload starts at a multiple of eight."""
    try:
        text = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except UnicodeEncodeError:
        raise LorariumError("names and metadata must be valid Unicode text") from None
    return text + b" " * (-len(text) % 8)


def _little_endian_bytes(array: Array) -> memoryview:
    order = array.dtype.byteorder
    if order == ">" or (order == "=" and sys.byteorder == "big"):
        array = array.byteswap()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
