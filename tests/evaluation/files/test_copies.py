"""Copies of learned pictures are flagged, other pictures by the same artist are not."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lorarium.evaluation.files.copies import find_copies  # noqa: E402
from lorarium.evaluation.synth.targets import pool  # noqa: E402

KINDS = [("style", ("ink", 1003)), ("style", ("mosaic", 1003)), ("subject", ("cat", 1003))]


def disturbed(pictures: np.ndarray, moved: int, mirrored: bool) -> np.ndarray:
    random = np.random.default_rng(0)
    changed = np.roll(pictures, (moved, moved), (1, 2)).astype(float)
    changed += random.normal(0, 6, changed.shape)
    changed = np.clip(changed, 0, 255).astype(np.uint8)
    return changed[:, :, ::-1] if mirrored else changed


@pytest.mark.parametrize(("kind", "of"), KINDS, ids=lambda value: str(value))
def test_copies_and_others(kind: str, of: tuple[str, int]) -> None:
    references, _ = pool(kind, of, "validation", range(6), 48)
    others, _ = pool(kind, of, "validation", range(20, 26), 48)
    assert find_copies(others, references) == []
    for moved, mirrored in ((0, False), (2, True)):
        copies = find_copies(disturbed(references[:3], moved, mirrored), references)
        assert [(c.picture, c.reference) for c in copies] == [(0, 0), (1, 1), (2, 2)]


def test_a_copy_with_another_ground_is_seen_by_its_patches() -> None:
    random = np.random.default_rng(0)
    references = random.integers(0, 256, (3, 12, 12, 3), np.uint8).repeat(4, 1).repeat(4, 2)
    picture = references[1].copy()
    picture[:18] = random.integers(0, 256, 3)
    (copy,) = find_copies(picture[None], references)
    assert (copy.reference, copy.kind) == (1, "patches") and copy.score > 0.6


def test_references_that_are_copies_of_each_other_and_a_single_one() -> None:
    pictures, _ = pool("style", ("ink", 1003), "validation", range(4), 48)
    twice = np.concatenate([pictures[:2], pictures[:2]])
    assert len(find_copies(pictures, twice)) == 2
    assert len(find_copies(pictures, pictures[:1])) == 1


def test_blank_pictures_are_no_copies_of_drawn_ones() -> None:
    pictures, _ = pool("style", ("ink", 1003), "validation", range(4), 48)
    assert find_copies(np.full((2, 48, 48, 3), 250, np.uint8), pictures) == []
