"""A file of one base is never merged with one of another: by its name, and by its shapes."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from lorarium.adapter import Adapter, LowRank
from lorarium.errors import LorariumError
from lorarium.formats.families import FAMILIES, table
from lorarium.mergers import METHODS, merge

IDS = ("unknown", *FAMILIES)
NAME = "transformer_blocks.0.attn.to_q"


def adapter(family: str, shape: tuple[int, ...] = (8, 8), path: str = NAME) -> Adapter:
    """One module; entries of equal value take no memory, however wide it is."""
    ones = (1,) * (len(shape) - 2)
    up = np.broadcast_to(np.float32(1), (shape[0], 1, *ones))
    down = np.broadcast_to(np.float32(1), (1, *shape[1:]))
    return Adapter({("denoiser", path): LowRank(up, down)}, family)


def matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """A kernel of one by one may be left out: SD 1's projections are SD 2's but for that."""
    return shape[0], math.prod(shape[1:])


def test_no_two_names_go_together() -> None:
    alone = {family: adapter(family) for family in IDS}
    for one, other in combinations(IDS, 2):
        with pytest.raises(LorariumError, match="for different base models"):
            merge([alone[one], alone[other]])


@pytest.mark.parametrize("method", METHODS)
def test_no_method_asks_less(method: str) -> None:
    with pytest.raises(LorariumError, match="different base models"):
        merge([adapter("flux1"), adapter("qwen-image")], method=method)


def test_no_two_shapes_go_together() -> None:
    """Under one name, as files of an unknown base are: what differs anywhere is not added up."""
    tables = {
        net: {path: matrix(shape) for path, shape in table(net).shapes.items()}
        for family in FAMILIES.values()
        for net in family.nets
    }
    apart = 0
    for one, other in combinations(tables, 2):
        shared = tables[one].keys() & tables[other].keys()
        path = next((p for p in sorted(shared) if tables[one][p] != tables[other][p]), None)
        if path is None:
            continue
        pair = [adapter("unknown", tables[net][path], path) for net in (one, other)]
        with pytest.raises(LorariumError, match="shape"):
            merge(pair)
        apart += 1
    assert apart > 2000
