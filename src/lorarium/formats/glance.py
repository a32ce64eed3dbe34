"""The family of a file from its header alone, for folders of tens of thousands of them.

Most files of a collection have one of few layouts: the same names and shapes, at some rank. One
that was seen before is looked up; a new one is read with all checks and judged like any other.
"""

from __future__ import annotations

import json
import os
import struct
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path

import numpy as np

from lorarium.remote import RemotePath, as_place, open_remote

from . import partial
from .detect import detect
from .header import DTYPES, is_header_start, load_header, open_regular
from .reading import Source, as_source, group_keys, interpret, read_report
from .report import FamilyGuess

LAYOUTS = 4096
_DOWN = ("down.weight", "lora_A.weight")
_UP = ("up.weight", "lora_B.weight")
# what of the metadata can change an answer
_FAMILY_KEYS = (
    *("ss_base_model_version", "modelspec.architecture", "ss_sd_model_name", "ss_v2"),
    *("unet", "text_encoder"),
)
_METADATA = '{"__metadata__":'

_seen: OrderedDict[Hashable, FamilyGuess] = OrderedDict()


def detect_file(path: str | os.PathLike[str]) -> FamilyGuess:
    """Which base a file is for; no tensor is read. Example: `detect_file("ink.safetensors").id`."""
    place = as_place(path)
    if isinstance(place, RemotePath):
        raw, _ = partial.glance(open_remote(place), place)
        return interpret(as_source(raw))[1].family
    return _detect_local(place)


def _detect_local(path: Path) -> FamilyGuess:
    text = _header(path)
    if text is None:
        return read_report(path)[1].family
    spelled = _layout_of_text(text)
    if spelled in _seen:
        _seen.move_to_end(spelled)
        return _seen[spelled]
    layout = _layout_of_table(text)
    guess = _seen[layout] if layout in _seen else _judge(path)
    return _remember(spelled, _remember(layout, guess))


def _remember(layout: Hashable, guess: FamilyGuess) -> FamilyGuess:
    if layout is not None:
        _seen[layout] = guess
        if len(_seen) > LAYOUTS:
            _seen.popitem(last=False)
    return guess


def _header(path: Path) -> bytes | None:
    """The header's text, None when the file is of another kind."""
    with open_regular(path) as file:
        head = file.read(9)
        if not is_header_start(head):
            return None
        (length,) = struct.unpack("<Q", head[:8])
        return head[8:] + file.read(length - 1)


def _layout_of_text(text: bytes) -> Hashable:
    """All of a header but its metadata, unread: files of one program, layout, rank and number type
    have it to the letter; with metadata that does not stand first, where the library writes it,
    all of it counts.
    """
    try:
        rest = text.decode("utf-8")
        if not rest.startswith(_METADATA):
            return hash(rest)
        metadata, end = json.JSONDecoder().raw_decode(rest, len(_METADATA))
        texts = tuple(str(metadata.get(name)) for name in _FAMILY_KEYS)
    except (ValueError, RecursionError, AttributeError):
        return None
    return hash(rest[end:]), *texts


def _layout_of_table(text: bytes) -> Hashable:
    """Names and shapes in the file's order, without the ranks, and the few texts that count."""
    try:
        entries = json.loads(text)
        metadata = entries.pop("__metadata__", None) or {}
        names: list[Hashable] = []
        for key, entry in entries.items():
            shape = entry["shape"]
            if key.endswith(_DOWN):
                names.append((key, *shape[1:]))
            elif key.endswith(_UP):
                names.append((key, *shape[:1], *shape[2:]))
            else:
                names.append((key, *shape))
        texts = tuple(str(metadata.get(name)) for name in _FAMILY_KEYS)
        return hash(tuple(names)), len(names), *texts
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None  # what is wrong with it is said by the reader


def _judge(path: Path) -> FamilyGuess:
    header = load_header(path)
    zeros = {name: np.zeros((), dtype) for name, dtype in DTYPES.items()}
    tensors = {
        key: np.broadcast_to(zeros[info.dtype], info.shape) for key, info in header.tensors.items()
    }
    source = Source(str(path), tensors, header.metadata, lambda prefix, name: None)
    return detect(group_keys(source, {}), header.metadata, list(tensors))[0]
