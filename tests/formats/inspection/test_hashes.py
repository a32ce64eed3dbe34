"""Hub hashes against their definitions written out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from lorarium.formats.container import load, save
from lorarium.formats.inspection.hashes import hash_file


def test_hashes_follow_their_definitions(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    noise = np.random.default_rng(0).integers(0, 256, 2_000_000).astype(np.uint8)
    stamp = "0x" + "AB" * 32
    save(path, {"a": noise}, {"modelspec.hash_sha256": stamp, "sshs_model_hash": ""})
    content, raw = path.read_bytes(), load(path)
    hashes = hash_file(path, raw.payload_start, raw.metadata)
    assert hashes.payload_sha256 == hashlib.sha256(noise.tobytes()).hexdigest()
    assert hashes.autov2 == hashlib.sha256(content).hexdigest()[:10]
    assert hashes.autov3 == hashes.payload_sha256[:12]
    assert hashes.autov1 == hashlib.sha256(content[0x100000:0x110000]).hexdigest()[:8]
    assert hashes.stamped == {"modelspec.hash_sha256": "ab" * 32}


def test_metadata_changes_the_file_hash_only(tmp_path: Path) -> None:
    path, seen = tmp_path / "x", []
    for metadata in ({}, {"k": "v"}):
        save(path, {"a": np.ones(9)}, metadata, force=True)
        raw = load(path)
        seen.append(hash_file(path, raw.payload_start, raw.metadata))
    assert seen[0].payload_sha256 == seen[1].payload_sha256
    assert seen[0].sha256 != seen[1].sha256
