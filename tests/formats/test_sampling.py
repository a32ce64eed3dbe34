"""Some modules of a file by a share of its bytes: true ones, the same in every dialect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lorarium import formats
from lorarium.descriptors import describe, product_cosine
from lorarium.errors import LorariumError
from lorarium.formats import container
from lorarium.formats.example import example
from lorarium.formats.sampling import read_share
from tests.remote.server import serving


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.safetensors"
    formats.write(example(family="micro-1", seed=1, rank=8), path, "kohya")
    return path


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_modules_are_those_of_the_file(file: Path, share: float) -> None:
    adapter = formats.read(file)
    part, read = read_share(file, share)
    assert 0 < len(part) <= len(adapter) and read.of == file.stat().st_size
    assert len(part) < len(adapter) or share == 1
    for module, delta in part.items():
        assert delta.scale == adapter[module].scale
        assert np.array_equal(delta.up, adapter[module].up)  # type: ignore[attr-defined,union-attr]


def test_no_more_is_read_than_was_said(file: Path) -> None:
    with serving(file.parent) as server:
        part, read = read_share(f"{server.url}/{file.name}", 0.6)
    assert read.bytes == server.sent
    _, here = read_share(file, 0.3)
    header = container.load_header(file)
    assert here.bytes <= 64 + header.payload_start + 0.3 * header.payload_size
    assert here.bytes > 0.2 * header.payload_size and len(part) > 1


def test_all_dialects_have_the_same_ones(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "y.safetensors"
    formats.write(formats.read(file), other, "diffusers")
    one, two = (set(read_share(path, 0.5)[0]) for path in (file, other))
    assert one == two


def test_a_part_still_finds_its_whole(file: Path, tmp_path: Path) -> None:
    part = describe(file, share=0.5)
    stranger = describe(example(family="micro-1", seed=2, rank=8))
    assert product_cosine(part, describe(file)) > 3 * abs(product_cosine(part, stranger))
    assert part.family == "micro-1"


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
def test_shares_that_are_none(file: Path, share: float) -> None:
    with pytest.raises(LorariumError, match="a share of"):
        read_share(file, share)
