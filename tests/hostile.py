"""Files that must be refused in one sentence: name -> function that writes one into a folder."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path


def raw(header: object, payload: bytes = b"", length: int | None = None) -> bytes:
    """The bytes of a safetensors file; `header` is JSON-able or already bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + payload


def entry(start: int, end: int, shape: object = None, dtype: object = "U8") -> dict[str, object]:
    shape = [end - start] if shape is None else shape
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


class RunsCode:
    """Unpickling this creates the folder named in the class."""

    target = "executed"

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (self.target,))


def pickle_bomb(folder: Path) -> bytes:
    RunsCode.target = str(folder / "executed")
    return pickle.dumps({"lora_up": RunsCode()}, protocol=2)


def zip_of(members: dict[str, bytes], packed: bool = False) -> bytes:
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


ONE = {"a": entry(0, 1)}
DEEP = b'{"a":' * 100_000
BYTES: dict[str, bytes] = {
    "empty.safetensors": b"",
    "four-bytes.safetensors": b"\x01\0\0\0",
    "length-only.safetensors": struct.pack("<Q", 2),
    "noise.safetensors": bytes(range(7, 256, 5)) * 40,
    "html.safetensors": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "html-blank.safetensors": b"\n\n  <html><head><title>404</title></head></html>",
    "xml.safetensors": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "json-error.safetensors": b'{"error":"Invalid credentials in Authorization header"}',
    "lfs.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "gguf.safetensors": b"GGUF\x03\0\0\0" + b"\0" * 64,
    "zip.safetensors": zip_of({"x.txt": b"hello"}),
    "png.safetensors": b"\x89PNG\r\n\x1a\n" + b"\0" * 64,
    "pickle.safetensors": pickle.dumps({"a": 1}, protocol=2),
    "cut-header.safetensors": raw(ONE, b"a")[:20],
    "cut-payload.safetensors": raw({"a": entry(0, 100)}, b"a" * 60),
    "long-header.safetensors": raw(ONE, b"a", length=10_000_000),
    "huge-header.safetensors": raw(ONE, b"a", length=2**62),
    "negative-header.safetensors": raw(ONE, b"a", length=2**64 - 1),
    "deep.safetensors": raw(DEEP),
    "deep-list.safetensors": raw(b'{"a":' + b"[" * 200_000),
    "deep-closed.safetensors": raw(b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    "big-number.safetensors": raw(b'{"a":' + b"9" * 100_000 + b"}"),
    "nan.safetensors": raw(b'{"a":NaN}'),
    "not-json.safetensors": raw(b"{hello}"),
    "not-utf8.safetensors": raw(b'{"\xff":{}}'),
    "lone-surrogate.safetensors": raw(
        b'{"\\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"a"
    ),
    "duplicate.safetensors": raw(
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
        b'"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
        b"ab",
    ),
    "duplicate-metadata.safetensors": raw(
        b'{"__metadata__":{"k":"1","k":"2"},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        b"a",
    ),
    "metadata-list.safetensors": raw({"__metadata__": ["x"], **ONE}, b"a"),
    "metadata-number.safetensors": raw({"__metadata__": {"ss_steps": 100}, **ONE}, b"a"),
    "entry-list.safetensors": raw({"a": [0, 1]}, b"a"),
    "entry-short.safetensors": raw({"a": {"dtype": "U8", "shape": [1]}}, b"a"),
    "entry-extra.safetensors": raw({"a": {**entry(0, 1), "strides": [1]}}, b"a"),
    "dtype-unknown.safetensors": raw({"a": entry(0, 1, dtype="Q4_K")}, b"a"),
    "dtype-list.safetensors": raw({"a": entry(0, 1, dtype=["U8"])}, b"a"),
    "shape-text.safetensors": raw({"a": entry(0, 1, shape="1")}, b"a"),
    "shape-negative.safetensors": raw({"a": entry(0, 1, shape=[-1, -1])}, b"a"),
    "shape-float.safetensors": raw({"a": entry(0, 1, shape=[1.0])}, b"a"),
    "shape-bool.safetensors": raw({"a": entry(0, 1, shape=[True])}, b"a"),
    "shape-huge.safetensors": raw({"a": entry(0, 0, shape=[2**60, 2**60, 0])}),
    "shape-overflow.safetensors": raw({"a": entry(0, 0, shape=[2**32, 2**32], dtype="F32")}),
    "shape-axes.safetensors": raw({"a": entry(0, 1, shape=[1] * 100)}, b"a"),
    "shape-mismatch.safetensors": raw({"a": entry(0, 4, shape=[2, 2], dtype="F32")}, b"abcd"),
    "offsets-swapped.safetensors": raw(
        {"a": {"dtype": "U8", "shape": [1], "data_offsets": [1, 0]}}, b"a"
    ),
    "offsets-three.safetensors": raw(
        {"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1, 2]}}, b"ab"
    ),
    "offsets-negative.safetensors": raw({"a": entry(-1, 0)}, b"a"),
    "overlap.safetensors": raw({"a": entry(0, 2), "b": entry(1, 3)}, b"abc"),
    "same-bytes.safetensors": raw({"a": entry(0, 2), "b": entry(0, 2)}, b"ab"),
    "gap.safetensors": raw({"a": entry(0, 1), "b": entry(2, 3)}, b"abc"),
    "gap-first.safetensors": raw({"a": entry(1, 2)}, b"ab"),
    "trailing.safetensors": raw(ONE, b"abc"),
    "name-long.safetensors": raw({"x" * 100_000: entry(0, 1)}, b"a"),
    "name-escape.safetensors": raw({"\x1b]0;owned\x07\n\u202e": entry(0, 9)}, b"a"),
    "text.pt": b"hello, this is text\n" * 10,
    "html.pt": b"<!DOCTYPE html><html></html>",
    "cut.pt": b"PK\x03\x04" + b"\0" * 30,
    "other-zip.pt": zip_of({"x.txt": b"hello"}),
    "zip-bomb.pt": zip_of({"archive/data.pkl": b"\0" * 10_000_000}, packed=True),
    "cut-pickle.pt": pickle.dumps({"a": [1, 2, 3]}, protocol=2)[:-4],
}
NEEDS_TORCH = {"other-zip.pt", "cut.pt", "cut-pickle.pt"}


def _write(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return make


def _folder(folder: Path) -> Path:
    path = folder / "folder.safetensors"
    path.mkdir()
    return path


def _pipe(folder: Path) -> Path:
    path = folder / "pipe.safetensors"
    os.mkfifo(path)
    return path


def _code_pickle(folder: Path) -> Path:
    return _write("code.pt", pickle_bomb(folder))(folder)


def _code_zip(folder: Path) -> Path:
    members = {"archive/data.pkl": pickle_bomb(folder), "archive/version": b"3\n"}
    return _write("code-zip.pt", zip_of(members))(folder)


CORPUS: dict[str, Callable[[Path], Path]] = {
    **{name: _write(name, content) for name, content in BYTES.items()},
    "missing.safetensors": lambda folder: folder / "missing.safetensors",
    "folder.safetensors": _folder,
    "pipe.safetensors": _pipe,
    "code.pt": _code_pickle,
    "code-zip.pt": _code_zip,
}
