"""The hashes by which hubs and interfaces know a file, computed and as stamped in its metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lorarium.errors import one_line
from lorarium.formats.header import open_regular

CHUNK = 2**22
EMPTY = hashlib.sha256(b"").hexdigest()  # stamped by tools that hashed nothing
STAMPS = ("sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256")


@dataclass(frozen=True)
class Hashes:
    """`sha256` is of the whole file, `payload_sha256` of what follows the header.

    `stamped` are the claims in the metadata, lower case and without `0x`.
    """

    sha256: str
    payload_sha256: str
    autov1: str
    stamped: Mapping[str, str]

    @property
    def autov2(self) -> str:
        return self.sha256[:10]

    @property
    def autov3(self) -> str:
        return self.payload_sha256[:12]

    def to_json(self) -> dict[str, object]:
        return {
            "sha256": self.sha256,
            "AutoV1": self.autov1,
            "AutoV2": self.autov2,
            "AutoV3": self.autov3,
            "stamped": dict(self.stamped),
        }


def hash_file(path: Path, payload_start: int, metadata: Mapping[str, str]) -> Hashes:
    """All hashes in one reading; a torch file has no header, its payload starts at 0."""
    complete, payload = hashlib.sha256(), hashlib.sha256()
    with open_regular(path) as file:
        complete.update(file.read(payload_start))
        while chunk := file.read(CHUNK):
            complete.update(chunk)
            payload.update(chunk)
        file.seek(0x100000)
        sampled = hashlib.sha256(file.read(0x10000))
    stamped = {key: _bare(metadata[key]) for key in STAMPS if metadata.get(key)}
    return Hashes(complete.hexdigest(), payload.hexdigest(), sampled.hexdigest()[:8], stamped)


def _bare(stamp: str) -> str:
    return one_line(stamp, 80).lower().removeprefix("0x")
