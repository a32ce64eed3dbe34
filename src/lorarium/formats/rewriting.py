"""A checkpoint as a new file, tensor by tensor: changed where asked for, else byte for byte."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from lorarium.adapter import Array

from .checkpoint import Checkpoint
from .container import check_with_library, encode_header
from .header import DTYPES, TensorInfo, parse_header
from .target import AnyPath, write_atomically


def rewrite(
    checkpoint: Checkpoint,
    out: str | os.PathLike[str],
    changed: Callable[[str], Array | None],
    metadata: Mapping[str, str],
    progress: Callable[[int, int, str], None] | None = None,
    *,
    check: Callable[[], None] | None = None,
    force: bool = False,
    inputs: Iterable[AnyPath] = (),
) -> None:
    """Write a checkpoint again as one file, tensor by tensor, whole or not at all.

    `changed` gives the new tensor of a key, of the same shape and dtype, or None for the old bytes.
    `check` is called when all are written, before the file takes its name.
    """
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    position = 0
    for key, info in checkpoint.tensors.items():
        size = info.end - info.start
        offsets = [position, position + size]
        header[key] = {"dtype": info.dtype, "shape": list(info.shape), "data_offsets": offsets}
        position += size
    text = encode_header(header)
    parse_header(text, 8 + len(text) + position, Path(out))

    def chunks() -> Iterator[bytes | memoryview]:
        yield struct.pack("<Q", len(text)) + text
        for done, (key, info) in enumerate(checkpoint.tensors.items(), 1):
            array = changed(key)
            if array is not None:
                assert array.shape == info.shape and array.dtype == DTYPES[info.dtype]
                yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
            else:
                yield from _bytes(checkpoint.buffers[key], info)
            if progress is not None:
                progress(done, len(checkpoint.tensors), "")

    def checked(beside: Path) -> None:
        check_with_library(beside)
        if check is not None:
            check()

    all_inputs = (*checkpoint.files, *inputs)
    write_atomically(out, chunks(), checked, force=force, inputs=all_inputs)


_CHUNK = 2**24


def _bytes(buffer: mmap.mmap, info: TensorInfo) -> Iterator[bytes]:
    for start in range(info.start, info.end, _CHUNK):
        yield buffer[start : min(start + _CHUNK, info.end)]
