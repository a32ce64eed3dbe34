"""The safetensors header, checked before anything in it is believed.

Layout: eight bytes of little-endian header length, that many bytes of JSON, then the payload.
The library reads the same header once more; the checks here are about files made to hurt, and
about saying in plain words what a broken file is.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import ml_dtypes
import numpy as np

from lorarium.errors import LorariumError, quoted
from lorarium.files import open_regular
from lorarium.remote import RemotePath

Container = Literal["safetensors", "torch-zip", "pickle"]

MAX_HEADER = 32 * 2**20  # bytes; a kohya header with every tag of a large data set has a few MB
MAX_TENSORS = 200_000
MAX_NAME = 4096
SNIFFED = 64
MAX_AXES = 16
AGAIN = "download or export the file again"

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "F8_E4M3FNUZ": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "F8_E5M2FNUZ": np.dtype(ml_dtypes.float8_e5m2fnuz),
    "F8_E8M0": np.dtype(ml_dtypes.float8_e8m0fnu),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U64": np.dtype(np.uint64),
    "U32": np.dtype(np.uint32),
    "U16": np.dtype(np.uint16),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
    "C64": np.dtype(np.complex64),
}
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}

TORCH_SUFFIXES = {".pt", ".pth", ".bin", ".ckpt"}
LORA_SUFFIXES = {".safetensors"} | TORCH_SUFFIXES

# first bytes -> what such a file is, for files that are not what their name says
LOOKS_LIKE = (
    (b"version https://git-lfs", "a git-lfs pointer, not the file itself", "run 'git lfs pull'"),
    (b"<", "a web page (HTML or XML), not a LoRA", AGAIN + ", perhaps after logging in"),
    (b"GGUF", "a GGUF model", "use the safetensors release of it"),
    (b"PK", "a zip archive", "unpack it, or name it .pt if it is a torch file you trust"),
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it"),
    (b"Rar!", "a rar archive", "unpack it"),
    (b"\x89PNG", "a PNG picture", "give the LoRA file itself"),
    (b"\xff\xd8\xff", "a JPEG picture", "give the LoRA file itself"),
    (b"RIFF", "a WebP picture", "give the LoRA file itself"),
    (b"\x93NUMPY", "a numpy array", "give the LoRA file itself"),
    (b"{", "JSON text without a safetensors header", "give the LoRA file itself"),
)


class TensorInfo(NamedTuple):
    """One entry of a header; `start` and `end` count from the start of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Header:
    """What a safetensors file says about itself; nothing of the payload has been read."""

    path: Path | RemotePath
    size: int
    payload_start: int
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]

    @property
    def payload_size(self) -> int:
        return self.size - self.payload_start


def sniff(path: Path) -> Container:
    """Which container a file is, by its first bytes; anything else is an error that says what."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(SNIFFED)
    return sniff_head(head, size, path)


def sniff_head(head: bytes, size: int, path: Path | RemotePath) -> Container:
    """The same from the first `SNIFFED` bytes of a file of this size."""
    where = str(path)
    if not size:
        raise LorariumError("the file is empty", where=where, hint=AGAIN)
    if is_header_start(head):
        return "safetensors"
    torch_name = path.suffix.lower() in TORCH_SUFFIXES
    if torch_name and head.startswith(b"PK"):
        return "torch-zip"
    if torch_name and head.startswith(b"\x80"):
        return "pickle"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for start, what, hint in LOOKS_LIKE:
        if text.startswith(start):
            raise LorariumError(f"this is {what}", where=where, hint=hint)
    if size < 8:
        raise LorariumError(f"the file ends after {size} bytes", where=where, hint=AGAIN)
    if head[:1] == b"\x80":
        hint = "name it .pt if it is a torch file you trust"
        raise LorariumError("this is a Python pickle", where=where, hint=hint)
    (length,) = struct.unpack("<Q", head[:8])
    if head[8:9] == b"{":
        limit = f"{MAX_HEADER // 2**20} MiB"
        what = f"the header claims {length} bytes, more than the {limit} that are allowed"
        raise LorariumError(what, where=where, hint=AGAIN)
    what = "this is neither a safetensors file nor a torch file"
    raise LorariumError(what, where=where, hint="give a LoRA file")


def is_header_start(head: bytes) -> bool:
    """Whether these first bytes can open a safetensors file."""
    return len(head) > 8 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] <= MAX_HEADER


def load_header(path: str | os.PathLike[str]) -> Header:
    """Read and check the header of a safetensors file, and nothing else."""
    path = Path(path)
    with open_regular(path) as file:
        return read_header(file, path)


def read_header(file: BinaryIO, path: Path) -> Header:
    """As `load_header`, from an open file."""
    where = str(path)
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    head = file.read(9)
    if not is_header_start(head):
        container = sniff(path)
        raise LorariumError(f"this is a {container} file, not safetensors", where=where)
    (length,) = struct.unpack("<Q", head[:8])
    if 8 + length > size:
        what = f"cut short: the header claims {length} bytes and the file has {size}"
        raise LorariumError(what, where=where, hint=AGAIN)
    file.seek(8)
    return parse_header(file.read(length), size, path)


def parse_header(text: bytes, size: int, path: Path | RemotePath) -> Header:
    """Check the JSON of a header against the size of its file."""
    where = str(path)

    def bad(what: str) -> LorariumError:
        return LorariumError(f"broken safetensors header: {what}", where=where, hint=AGAIN)

    try:
        entries = json.loads(
            text.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
    except RecursionError:
        raise bad("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise bad("it is not UTF-8 text") from None
    except ValueError as error:
        raise bad(str(error)) from None
    if not isinstance(entries, dict):
        raise bad("it is not a table")
    metadata = entries.pop("__metadata__", None)
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, dict):
        raise bad("__metadata__ is not a table")
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise bad(f"the metadata entry {quoted(key)} is not text")
    if len(entries) > MAX_TENSORS:
        raise bad(f"it lists {len(entries)} tensors, more than the {MAX_TENSORS} allowed")
    start = 8 + len(text)
    tensors = {name: _entry(name, entries[name], start, bad) for name in entries}
    _check_layout(tensors, start, size, where, bad)
    return Header(path, size, start, tensors, metadata)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"{quoted(key)} occurs twice")
            seen.add(key)
    return table


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _entry(name: str, entry: Any, payload: int, bad: Any) -> TensorInfo:
    if len(name) > MAX_NAME:
        raise bad(f"a tensor's name has {len(name)} characters")
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise bad(f"{quoted(name)} has no dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise bad(f"{quoted(name)} has the unknown dtype {quoted(str(dtype), 20)}")
    if not _naturals(shape) or len(shape) > MAX_AXES or math.prod(max(n, 1) for n in shape) > 2**48:
        raise bad(f"{quoted(name)} has an impossible shape")
    if not _naturals(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise bad(f"{quoted(name)} has impossible offsets")
    needed = math.prod(shape) * DTYPES[dtype].itemsize
    if offsets[1] - offsets[0] != needed:
        held = offsets[1] - offsets[0]
        raise bad(f"{quoted(name)} needs {needed} bytes for its shape and dtype and has {held}")
    return TensorInfo(dtype, tuple(shape), payload + offsets[0], payload + offsets[1])


def _naturals(values: Any) -> bool:
    return isinstance(values, list) and all(type(n) is int and 0 <= n < 2**48 for n in values)


def _check_layout(
    tensors: Mapping[str, TensorInfo], start: int, size: int, where: str, bad: Any
) -> None:
    position, before = start, ""
    for name, info in sorted(tensors.items(), key=lambda item: item[1][2:]):
        if info.start < position:
            raise bad(f"{quoted(name)} overlaps {quoted(before)}")
        if info.start > position:
            raise bad(f"{info.start - position} bytes before {quoted(name)} belong to no tensor")
        position, before = info.end, name
    if position > size:
        what = f"cut short: the tensors need {position} bytes and the file has {size}"
        raise LorariumError(what, where=where, hint=AGAIN)
    if position < size:
        raise bad(f"{size - position} bytes at the end of the file belong to no tensor")
