"""The weights of files that are compared with each other: read when asked for, few held at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from lorarium import formats
from lorarium.errors import LorariumError
from lorarium.library.scan import Signature, remote_signature, signature
from lorarium.library.schema import SIGNATURE
from lorarium.library.weights import Weights
from lorarium.remote import RemotePath, as_place, open_remote

BYTES = 2**30  # of files, and of what is kept beside each of their modules
MODULE = 2**12
FILES = 256  # each of which is open as long as it is mapped


class HeldWeights:
    """By content; the longest unused ones go first."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[int, Weights | None]] = OrderedDict()
        self._bytes = 0

    def weights(self, row: Mapping[str, Any]) -> Weights | None:
        """None when the file of a row is gone, cannot be read, or is not what it was."""
        id = row["id"]
        if id not in self._held:
            weights = _read(row)
            size = MODULE * (1 + len(weights.adapter)) + row["size"] if weights else MODULE
            self._held[id] = size, weights
            self._bytes += size
            while len(self._held) > 2 and (self._bytes > BYTES or len(self._held) > FILES):
                self._bytes -= self._held.popitem(last=False)[1][0]
        self._held.move_to_end(id)
        return self._held[id][1]


def _read(row: Mapping[str, Any]) -> Weights | None:
    path = as_place(row["path"])
    now = _remote_state(path) if isinstance(path, RemotePath) else signature(path)
    if now is None or any(getattr(now, name) != row[name] for name in SIGNATURE):
        return None
    try:
        return Weights(formats.read(path))
    except (LorariumError, OSError):
        return None


def _remote_state(path: RemotePath) -> Signature | None:
    """None when it is gone, or needs a secret that the library does not keep."""
    try:
        file = open_remote(path)
    except LorariumError:
        return None
    return remote_signature(file.size, file.version)
