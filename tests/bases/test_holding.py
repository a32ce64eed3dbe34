"""Bases of others in 16 bits, part by part, and with less memory for gradients."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from lorarium.adapter import Adapter, Bias, Delta, Dora, Module
from lorarium.bases import memory
from lorarium.bases.base import Base, open_base
from lorarium.bases.resting import in_use, shareable
from lorarium.bases.sampling import sample
from lorarium.cli import cli
from lorarium.errors import LorariumError
from lorarium.training.distil import DistillationSet, fit_gains
from lorarium.training.fit import Fit
from lorarium.training.recipe import Job, Recipe
from tests.bases.tiny import random_adapter

pytest.importorskip("diffusers")
pytestmark = [pytest.mark.interop, pytest.mark.slow]
SIZE = 32


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from tests.bases.test_diffusers_base import MAKERS

    home = tmp_path_factory.mktemp("pipelines")
    for kind in ("sd1", "sdxl"):
        MAKERS[kind]().save_pretrained(home / kind)
    return {kind: home / kind for kind in ("sd1", "sdxl")}


def drawn(base: Base, *adapters: Adapter) -> np.ndarray:
    some = [(adapter, 1.0) for adapter in adapters]
    return sample(base, ["a cat"], adapters=some, steps=2, seed=3).astype(int)


def tensors(base: Any, part: str) -> list[torch.Tensor]:
    return list(base.pipeline.components[part].parameters())


def is_at_rest(base: Any, part: str) -> bool:
    return all(tensor.is_meta for tensor in tensors(base, part))


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_the_number_type_reaches_every_network(kind: str, folders: dict[str, Path]) -> None:
    whole = open_base(folders[kind])
    half = open_base(folders[kind], dtype="bfloat16")
    for part in ("unet", "vae", "text_encoder"):
        assert {t.dtype for t in tensors(whole, part)} == {torch.float32}
        assert {t.dtype for t in tensors(half, part)} == {torch.bfloat16}
    assert half.hash == whole.hash
    difference = np.abs(drawn(half) - drawn(whole))
    assert 0 < difference.mean() < 4


def test_the_autoencoder_stays_wide_where_float16_would_overflow(folders: dict[str, Path]) -> None:
    for offload in (False, True):
        base: Any = open_base(folders["sdxl"], dtype="float16", offload=offload)
        with in_use(base.pipeline.vae):
            assert {t.dtype for t in tensors(base, "vae")} == {torch.float32}
        assert base.dtype == torch.float16
    drawn(base)


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_offloaded_parts_are_there_only_while_they_are_used(
    kind: str, folders: dict[str, Path]
) -> None:
    whole, base = open_base(folders[kind]), open_base(folders[kind], offload=True)
    assert base.hash == whole.hash
    resting = ["unet", "vae", *(n for n in base.networks if n != "denoiser")]
    assert all(is_at_rest(base, part) for part in resting)  # opening reads no weights
    seen: list[weakref.ref[torch.Tensor]] = []
    encoder = base.networks["text_encoder"]
    encoder.register_forward_pre_hook(
        lambda net, _: seen.append(weakref.ref(next(net.parameters())))
    )
    np.testing.assert_array_equal(drawn(base), drawn(whole))
    gc.collect()
    assert seen and all(ref() is None for ref in seen)
    assert all(is_at_rest(base, part) for part in resting[1:])
    assert not is_at_rest(base, "unet")


def test_what_is_made_of_the_bases_weights_finds_them(folders: dict[str, Path]) -> None:
    whole, base = open_base(folders["sd1"]), open_base(folders["sd1"], offload=True)
    random = np.random.default_rng(0)
    deltas: dict[Module, Delta] = {}
    for module, delta in random_adapter(whole, 2).items():
        if module.path.endswith(("to_q", "q_proj")):
            out = delta.shape[0]
            size = random.uniform(0.1, 1, out).astype(np.float32)
            deltas[module] = Dora(delta, size)
            bias = Module(module.part, module.path.replace("to_q", "to_out.0") + ".bias")
            deltas[bias] = Bias(random.normal(size=out).astype(np.float32))
    adapter = Adapter({m: d for m, d in deltas.items() if "q_proj.bias" not in str(m)}, "sd1")
    assert {m.part for m in adapter} == {"denoiser", "text_encoder"}
    np.testing.assert_array_equal(drawn(base, adapter), drawn(whole, adapter))
    half = open_base(folders["sd1"], dtype="bfloat16")
    assert np.abs(drawn(half, adapter) - drawn(whole, adapter)).mean() < 6


@pytest.mark.parametrize("text_encoder", [False, True])
def test_training_is_the_same_however_a_base_is_held(
    text_encoder: bool, folders: dict[str, Path]
) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    recipe = Recipe(rank=2, alpha=2.0, steps=2, batch=2, lr=1e-2, text_encoder=text_encoder)
    tables, calls = [], []
    for how in ({}, {"offload": True, "checkpointing": True}):
        base: Any = open_base(folders["sd1"], **how)
        run = Fit(base, [Job(pictures, ("a cat", "a cat in ink"), recipe)])
        count = [0]
        layer = base.denoiser.mid_block.attentions[0].transformer_blocks[0].attn1
        layer.register_forward_hook(lambda *_, count=count: count.__setitem__(0, count[0] + 1))
        run.step()
        run.step()
        tables.append(run.table.detach().numpy())
        calls.append(count[0])
    np.testing.assert_allclose(*tables, atol=1e-5)
    assert calls == [2, 4]  # computed again on the way back


def test_checkpointed_gains_are_the_same(folders: dict[str, Path]) -> None:
    """Two sets of branches stand beside the base before any gradient is asked."""
    learned = []
    for checkpointing in (False, True):
        base = open_base(folders["sd1"], checkpointing=checkpointing)
        pair = [random_adapter(base, 2, seed) for seed in (1, 2)]
        latents = torch.randn(
            1, *base.noise_shape(SIZE), generator=torch.Generator().manual_seed(0)
        )
        sets = [DistillationSet(latents, ["a cat"]), DistillationSet(latents, ["a cat in ink"])]
        gains, _ = fit_gains(base, pair, sets, steps=2)
        learned.append(np.concatenate([m for row in gains.values() for m in row if m is not None]))
    np.testing.assert_allclose(*learned, atol=1e-5)


def test_sizes_are_said_and_what_does_not_fit_is_refused(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    base: Any = open_base(folders["sdxl"], dtype="bfloat16", say=said.append)
    count = sum(t.numel() for t in base.denoiser.parameters())
    total = sum(
        t.numel() for part in ("unet", "vae", "text_encoder", "text_encoder_2")
        for t in tensors(base, part)
    )  # fmt: skip
    assert len(said) == 1
    assert f"denoiser {count:,}" in said[0]
    assert f"{2 * total / 1e6:.1f} MB in bfloat16" in said[0]
    assert "free on cpu" in said[0]
    monkeypatch.setattr(memory, "free_bytes", lambda device: 4 * total - 1)
    with pytest.raises(LorariumError, match="needs") as refused:
        open_base(folders["sdxl"])
    assert "16 bits or use offload" in refused.value.hint
    open_base(folders["sdxl"], offload=True)
    open_base(folders["sdxl"], dtype="float16")


def test_commands_say_and_refuse(folders: dict[str, Path], tmp_path: Path) -> None:
    out = ["-o", str(tmp_path / "a.png"), "--steps", "1"]
    render = ["render", "--prompt", "a cat", *out]
    base = ["--base", str(folders["sd1"]), "--offload", "--dtype"]
    done = CliRunner().invoke(cli, [*render, *base, "bfloat16"])
    assert done.exit_code == 0, done.stderr
    assert done.stderr.startswith("parameters: denoiser")
    assert "at once in bfloat16" in done.stderr
    for wrong, words in (
        ([*render, "--force", *base, "bfloat61"], "bfloat16"),
        ([*render, "--force", "--dtype", "float16"], "float32 only"),
        (["train", str(tmp_path / "a.png"), "--checkpointing"], "no gradient checkpointing"),
    ):
        done = CliRunner().invoke(cli, wrong)
        assert isinstance(done.exception, LorariumError | SystemExit), wrong
        assert words in f"{done.exception} {done.stderr} {getattr(done.exception, 'hint', '')}"


def test_a_base_held_part_by_part_is_kept_to_one_process(folders: dict[str, Path]) -> None:
    held: list[dict[str, Any]] = [{}, {"offload": True}, {"checkpointing": True}]
    bases = [open_base(folders["sd1"], **how) for how in held]
    assert [shareable(base) for base in bases] == [True, False, False]


def test_a_folder_says_what_is_wrong_with_it(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("[]")
    with pytest.raises(LorariumError, match="cannot be loaded"):
        open_base(tmp_path)
