"""A zoo of the drawn world, minted on a tiny base in a moment."""

from __future__ import annotations

from pathlib import Path

from lorarium.bases.base import Base
from lorarium.training.manifest import read_manifest
from lorarium.training.mint import mint

RECIPE = """
name = "tiny"
[recipes.R0]
rank = 2
alpha = 2.0
lr = 5e-2
steps = 12
batch = 2
pictures = 3
[recipes.S0]
rank = 2
alpha = 2.0
lr = 5e-2
steps = 12
batch = 2
"""
# under other words, for merges of three and four
SECOND = (
    '[[styles]]\nsplit = "test"\nof = ["ink", "oil"]\neach = 1\ncopies = 0\nothers = 1\n'
    'use = ["R0", "S0"]\nword = 2\n'
    '[[subjects]]\nsplit = "test"\nof = ["cat", "house"]\neach = 1\ncopies = 0\nothers = 1\n'
    'use = ["S0", "R0"]\nword = 2\n'
)
STYLES = '[[styles]]\nsplit = "{}"\nof = ["ink", "oil"]\neach = 1\ncopies = 1\nothers = 0\n'
SUBJECTS = '[[subjects]]\nsplit = "{}"\nof = ["cat", "house"]\neach = 1\ncopies = 1\nothers = 0\n'


def tiny_zoo(folder: Path, base: Base) -> Path:
    """Two artists and two individuals of every split."""
    text = RECIPE
    for split in ("train", "validation", "test"):
        text += STYLES.format(split) + 'use = ["R0"]\n' + SUBJECTS.format(split) + 'use = ["S0"]\n'
    (folder / "recipe.toml").write_text(text + SECOND)
    mint(read_manifest(folder / "recipe.toml"), folder / "zoo", base, workers=1)
    return folder / "zoo"
