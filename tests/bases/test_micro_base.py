"""The base's file says what it stands on, and is refused when that is not here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lorarium.bases.base import losses, modules, open_base
from lorarium.bases.micro_base import load_micro, save_micro
from lorarium.errors import LorariumError
from lorarium.formats.container import load, save
from lorarium.formats.families import FAMILIES
from tests.bases.tiny import FIRST, WHOLE_FIRST, first_micro

pytestmark = pytest.mark.interop


def test_file_round_trip_keeps_the_hash(tmp_path: Path) -> None:
    base = first_micro()
    digest = save_micro(base.model, tmp_path / "base.safetensors")
    back = open_base(tmp_path / "base.safetensors")
    assert back.hash == base.hash == digest
    assert back.size == FIRST.size


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("lorarium.world", "another world"),
        ("lorarium.hash", "do not have the hash"),
        ("lorarium.family", "not a micro-1 base"),
    ],
)
def test_what_does_not_match_is_refused(tmp_path: Path, entry: str, words: str) -> None:
    path = tmp_path / "base.safetensors"
    save_micro(first_micro().model, path)
    raw = load(path)
    tensors = {name: np.array(array) for name, array in raw.tensors.items()}
    save(path, tensors, {**raw.metadata, entry: "0" * 64}, force=True)
    with pytest.raises(LorariumError, match=words):
        load_micro(path)


def test_no_file_and_no_safetensors_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(LorariumError, match="no such micro-1 base"):
        load_micro(tmp_path / "gone.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"nonsense")
    with pytest.raises(LorariumError, match="safetensors"):
        load_micro(tmp_path / "x.safetensors")
    with pytest.raises(LorariumError, match="no such base"):
        open_base(tmp_path / "nowhere")


def test_the_family_table_is_the_network() -> None:
    base = first_micro(WHOLE_FIRST)
    table = FAMILIES["micro-1"].parts
    for part in ("denoiser", "text_encoder"):
        shapes = {m.path: shape for m, shape in modules(base, "all", (part,)).items()}
        assert shapes == dict(table[part].shapes)
        biased = {p for p in shapes if base.networks[part].get_submodule(p).bias is not None}
        assert biased == table[part].biased


def test_targets_nest() -> None:
    base = first_micro()
    attention, linear, everything = (set(modules(base, t)) for t in ("attention", "linear", "all"))
    assert attention < linear < everything
    with pytest.raises(LorariumError, match="targets"):
        modules(base, "feelings")


def test_the_loss_is_the_one_of_the_recipe() -> None:
    from lorarium.recipes.base import BaseRecipe, loss

    base, recipe = first_micro(), BaseRecipe(drop=0.0)
    x = torch.rand(4, 3, FIRST.size, FIRST.size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    words = ["a cat in ink"] * 4
    from lorarium.world.words import tokens

    rows = torch.tensor([tokens(w) for w in words])
    theirs = loss(base.model, x, rows, recipe, torch.Generator().manual_seed(2))
    random = torch.Generator().manual_seed(2)
    t = torch.sigmoid(FIRST.time_mean + FIRST.time_spread * torch.randn(4, generator=random))
    noise = torch.randn(x.shape, generator=random)
    ours = losses(base, x, base.encode(words), t, noise).mean()
    torch.testing.assert_close(ours, theirs)
