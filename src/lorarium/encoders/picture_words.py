"""A CLIP or SigLIP of the user's by its name, with the state of its files; torch loads with its
towers alone."""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lorarium.errors import LorariumError
from lorarium.files import is_folder

if TYPE_CHECKING:
    from lorarium.encoders.pretrained import PictureTower, WordTower


@dataclass(frozen=True)
class PictureWordModel:
    """A CLIP or a SigLIP with both of its towers, each loaded when it is first asked for.

    `state` differs when any file of its folder does.
    """

    name: str
    folder: Path
    state: str

    @functools.cached_property
    def pictures(self) -> PictureTower:
        from lorarium.encoders.pretrained import load_picture_tower

        return load_picture_tower(str(self.folder))

    @functools.cached_property
    def words(self) -> WordTower:
        from lorarium.encoders.pretrained import load_word_tower

        return load_word_tower(str(self.folder))


def open_model(name: str) -> PictureWordModel:
    """A folder as transformers saves it, or a name of the hub that is in the hub's cache here.

    Nothing is ever fetched.
    """
    folder = _find_weights(name)
    with os.scandir(folder) as entries:
        states = sorted((e.name, (s := e.stat()).st_size, s.st_mtime_ns) for e in entries)
    state = hashlib.blake2b(repr((str(folder), states)).encode(), digest_size=16).hexdigest()
    return _opened_model(str(folder) if is_folder(Path(name)) else name, folder, state)


@functools.lru_cache(1)
def _opened_model(name: str, folder: Path, state: str) -> PictureWordModel:
    return PictureWordModel(name, folder, state)


def _find_weights(name: str) -> Path:
    if is_folder(Path(name)):
        return Path(name).resolve()
    from huggingface_hub import try_to_load_from_cache

    try:
        config = try_to_load_from_cache(name, "config.json")
    except Exception:  # what can be no name of the hub
        config = None
    if not isinstance(config, str):
        hint = "name a folder as transformers saves it; nothing is downloaded"
        raise LorariumError("no such folder, nor a model in the hub's cache", where=name, hint=hint)
    return Path(config).parent
