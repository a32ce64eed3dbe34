"""Samples are drawn once, kept, and drawn again when what is kept is damaged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lorarium.encoders.nets import DinoLike, NetConfig  # noqa: E402
from lorarium.evaluation.describe import load, looks, read_zoo  # noqa: E402
from tests.bases.tiny import WHOLE, micro, random_adapter  # noqa: E402
from tests.evaluation.describe.minted import minted  # noqa: E402

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = minted(tmp_path_factory.mktemp("zoo"), {"test": 1}, ("ink",), copies=1)
    return load(read_zoo(folder), "style", "test")


@pytest.fixture(scope="module")
def view():
    torch.manual_seed(0)
    return looks.EncoderHead(DinoLike(NetConfig("conv", 16, depth=0)).eval(), "picture")


def test_a_stopped_run_goes_on(corpus, view, tmp_path) -> None:
    base = micro(WHOLE)
    noise = tuple(random_adapter(base, seed=i) for i in range(3))
    corpus = replace(corpus, adapters=noise)
    ways = {"base": base, "count": 2, "steps": 2, "seed": 0}
    lines: list[str] = []
    first, seconds = looks.sample_pictures(corpus, cache=tmp_path, say=lines.append, **ways)
    assert first.shape[:2] == (3, 2) and (seconds > 0).all() and len(lines) == 3
    files = sorted(tmp_path.iterdir())
    files[0].write_bytes(b"PK damaged")
    files[1].unlink()
    again, _ = looks.sample_pictures(corpus, cache=tmp_path, say=lines.append, **ways)
    np.testing.assert_array_equal(first, again)
    assert len(lines) == 5
    looks.sample_pictures(corpus, cache=tmp_path, say=lines.append, **ways | {"steps": 1})
    assert len(lines) == 8
    rows = looks.picture_rows(corpus, {"it": view}, (first, seconds), 24)
    assert [(r.name, r.sort) for r in rows] == [
        ("it, samples", "samples"), ("it, training pictures", "oracle"),
    ]  # fmt: skip
    assert rows[0].seconds > seconds.mean() and rows[0].bytes == 64


def test_pictures_of_training_and_never_seen_ones(corpus, view) -> None:
    seen, new = looks.training_pictures(corpus, 24), looks.unseen_pictures(corpus, 24)
    assert [len(p) for p in seen] == [len(e.pictures) for e in corpus.entries]
    assert len(new) == 1 and new[0].shape == (looks.NEW, 24, 24, 3)
    assert not any(np.array_equal(a, b) for a in new[0] for p in seen for b in p)
    each = looks.features(seen, view)
    (by_hand,) = looks.encode(view.net, seen[1], "picture")
    np.testing.assert_allclose(each[1], by_hand.mean(0), atol=1e-5)
