"""Families with two denoisers of equal shape (Wan 2.2: one for high noise, one for low).

Files of most dialects hold one of them and their keys do not say which; metadata may, a person can.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from .families import FAMILIES
from .placing import Place

HEADER = "lorarium.expert"
PARTS = {"high": "denoiser", "low": "denoiser_2"}
_NAME_KEYS = ("ss_output_name", "modelspec.title", "name")
_NOISE = re.compile(r"(high|low)[ _-]?noise", re.IGNORECASE)


def stated_expert(metadata: Mapping[str, str]) -> str | None:
    """`high` or `low` when the metadata says for which expert the file is, and for one alone."""
    if metadata.get(HEADER) in PARTS:
        return metadata[HEADER]
    texts = (metadata.get(name, "") for name in _NAME_KEYS)
    expert_names = {match[1].lower() for text in texts for match in _NOISE.finditer(text)}
    return expert_names.pop() if len(expert_names) == 1 else None


def assign(
    family: str, places: Iterable[Place | None], metadata: Mapping[str, str]
) -> tuple[Place | None, ...]:
    """Places in the expert that the metadata names, where the keys name none."""
    spots = tuple(places)
    known = FAMILIES.get(family)
    if known is None or not known.experts or stated_expert(metadata) != "low":
        return spots
    if any(spot is not None and spot.part == "denoiser_2" for spot in spots):
        return spots
    return tuple(
        replace(spot, part="denoiser_2") if spot is not None and spot.part == "denoiser" else spot
        for spot in spots
    )
