"""OFT and BOFT tensors of an adapter, as the rotations of the base's weights that they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from lorarium.adapter import Adapter, Array
from lorarium.algebra.rotations import (
    Rotation,
    butterfly_of_columns,
    rotation_of_columns,
    rotation_of_rows,
)
from lorarium.errors import LorariumError

from . import carried
from .families import Family
from .grammar import parse
from .placing import Place, place_by_name

# what a PEFT config says of a rotation, kept beside the tensors: network -> field -> value
HEADER = "lorarium.oft"


class Turned(NamedTuple):
    """A weight that a file turns, and the keys that say how."""

    place: Place
    keys: tuple[str, ...]
    rotation: Rotation


def rotations(adapter: Adapter, family: Family) -> tuple[list[Turned], dict[str, str]]:
    """The rotations in an adapter for a family, and the keys that make none with the reason."""
    stems: dict[str, dict[str, str]] = {}
    for key in adapter.opaque:
        stem, tail = carried.divide(key)
        if carried.kind_of(key, adapter.opaque[key]) in ("oft", "boft"):
            stems.setdefault(stem, {})[tail] = key
    placed_rotations: list[Turned] = []
    refused: dict[str, str] = {}
    for stem, tails in stems.items():
        keys = dict(tails)
        if (alpha := f"{stem}.alpha") in adapter.opaque:
            keys["alpha"] = alpha
        parsed = parse(f"{stem}.alpha")
        spot = place_by_name(family, parsed) if parsed else None
        if spot is None:
            refused |= dict.fromkeys(keys.values(), f"no module of {family.id} has this name")
            continue
        arrays = {tail: adapter.opaque[key] for tail, key in keys.items()}
        try:
            rotation = _rotation(arrays, _config(adapter.metadata, stem))
        except LorariumError as error:
            refused |= dict.fromkeys(keys.values(), error.what)
            continue
        placed_rotations.append(Turned(spot, tuple(keys.values()), rotation))
    return placed_rotations, refused


def _rotation(arrays: Mapping[str, Array], config: Mapping[str, Any]) -> Rotation:
    if (blocks := arrays.get("oft_blocks")) is not None:
        alpha = arrays.get("alpha")
        if alpha is not None and alpha.size != 1:
            raise LorariumError("its constraint is not one number")
        constraint = 0.0 if alpha is None else float(alpha.reshape(-1)[0])
        return rotation_of_rows(blocks, arrays.get("rescale"), constraint)
    if (upper := arrays.get("oft_R.weight")) is not None:
        series = config.get("use_cayley_neumann", True)
        terms = _number(config, "num_cayley_neumann_terms", 5)
        return rotation_of_columns(
            upper,
            shared=config.get("block_share") is True,
            terms=min(int(terms), _MOST_TERMS) if series else None,
            limit=_number(config, "eps", 6e-5) if config.get("coft") is True else None,
        )
    if (blocks := arrays.get("boft_R")) is not None:
        return butterfly_of_columns(blocks, arrays.get("boft_s"))
    raise LorariumError("its blocks are missing, or of an older PEFT")


_MOST_TERMS = 100


def _number(config: Mapping[str, Any], field: str, usual: float) -> float:
    value = config.get(field, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
        raise LorariumError(f"its config's {field} is no number of ordinary size")
    return value


def _config(metadata: Mapping[str, str], stem: str) -> Mapping[str, Any]:
    """What a PEFT config says of the network of a key."""
    try:
        stated = json.loads(metadata.get(HEADER, "{}"))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(stated, dict):
        return {}
    config = stated.get(stem.partition(".")[0], stated.get("", {}))
    return config if isinstance(config, dict) else {}
