"""A base from a diffusers folder, or from a name on the hub."""

from __future__ import annotations

import importlib
import json
from functools import partial
from pathlib import Path
from typing import Any

from lorarium.bases import stored
from lorarium.bases.base import Base
from lorarium.bases.holding import Holding
from lorarium.errors import LorariumError, missing_extra, quoted
from lorarium.files import exists, require_regular

# parts of ours that a pipeline may name; diffusers takes them only from what is imported
OURS = "lorarium.bases.micro2_parts"


def open_named(name: str, holding: Holding) -> Base:
    """The base of a pipeline folder or a name on the hub."""
    folder = Path(name)
    if not folder.is_dir() and name.count("/") != 1:
        raise LorariumError(
            "no such base",
            where=name,
            hint="give micro-1, micro-2, a .safetensors of micro-1, or a folder",
        )
    if exists(folder):  # a pipe among its files would be waited for
        for file in folder.rglob("*") if folder.is_dir() else [folder]:
            if not file.is_dir():
                require_regular(file)
        if not folder.is_dir():
            raise LorariumError("a base is a folder, or a .safetensors of micro-1", where=name)
    try:
        from diffusers import DiffusionPipeline

        from lorarium.bases.pipeline import StoredPipeline, load, networks_of, unused_in
    except ImportError:
        raise missing_extra(f"the base {quoted(name)} needs diffusers", "diffusers") from None
    try:
        if not folder.is_dir():
            folder = Path(DiffusionPipeline.download(name))
        index = _read(folder / "model_index.json")
        if any(isinstance(part, list) and part[:1] == [OURS] for part in index.values()):
            importlib.import_module(OURS)
        parts = networks_of(index)
        configs = {part: _read(folder / part / "config.json") for part in parts}
        assemble = partial(
            DiffusionPipeline.from_pretrained, folder, local_files_only=True, **unused_in(index)
        )
        weights = stored.in_folder(folder, parts)
        return load(StoredPipeline(name, index, configs, weights, assemble), holding)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).split("\n")[0][:120]
        raise LorariumError(f"the base cannot be loaded ({reason})", where=name) from None


def _read(path: Path) -> dict[str, Any]:
    config = json.loads(path.read_text("utf-8"))
    if not isinstance(config, dict):
        raise ValueError(f"{path.name} is no table")
    return config
