"""Folders of somebody's own pictures: `DIR/styles/NAME` and `DIR/subjects/NAME`, with captions
beside the pictures. They join what is drawn wherever artists and individuals are learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lorarium.errors import LorariumError
from lorarium.files import exists
from lorarium.pictures import caption, picture_files, read_pictures
from lorarium.training.run import fill_prompt
from lorarium.world.words import STYLE_TOKENS, SUBJECT_TOKENS

PLACES = {"styles": "style", "subjects": "subject"}
PROMPTS = {"style": f"{{}} in {STYLE_TOKENS[0]}", "subject": f"a {SUBJECT_TOKENS[0]} {{}}"}
LEAST = 4  # pictures of an artist or a thing


@dataclass(frozen=True)
class OwnPictures:
    """Pictures of one artist (`style`) or thing (`subject`)."""

    kind: str
    folder: Path

    def files(self) -> list[Path]:
        return picture_files([self.folder])

    def read(self, size: int) -> tuple[np.ndarray, tuple[str, ...]]:
        """Pictures (n, size, size, 3), and what is said of each."""
        return read_pictures(self.files(), size), self.prompts()

    def prompts(self) -> tuple[str, ...]:
        return captioned(self.files(), PROMPTS[self.kind])


def captioned(files: Sequence[Path], prompt: str) -> tuple[str, ...]:
    """The prompt with the caption of each picture in the place of `{}`."""
    return tuple(fill_prompt(prompt, caption(file)) for file in files)


def own_pictures(folder: Path) -> tuple[OwnPictures, ...]:
    """The artists and things of a folder, in order of their names."""
    own = [
        OwnPictures(kind, inside)
        for place, kind in PLACES.items()
        if exists(folder / place) and (folder / place).is_dir()
        for inside in sorted((folder / place).iterdir())
        if inside.is_dir() and not inside.name.startswith(".")
    ]
    if not own:
        raise LorariumError(
            "no pictures of artists or things", where=str(folder),
            hint="put them into styles/NAME and subjects/NAME",
        )  # fmt: skip
    for one in own:
        if len(one.files()) < LEAST:
            raise LorariumError(
                f"fewer than {LEAST} pictures", where=str(one.folder), hint="add some, or move it"
            )
    return tuple(own)
