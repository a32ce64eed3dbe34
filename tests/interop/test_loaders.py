"""Transformers' adapters as we write them, in the loaders of diffusers that pipelines inherit.

Networks have their true widths, one layer a stack, and weights that nothing ever touches.
"""

from __future__ import annotations

import inspect
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lorarium.adapter import Adapter, LowRank, Module
from lorarium.formats import programs, write
from lorarium.formats.families import FAMILIES, tables
from tests.interop.meta import build

torch = pytest.importorskip("torch")
pipeline = pytest.importorskip("diffusers.loaders.lora_pipeline")
pytest.importorskip("peft")
pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore")]

# family -> the loader that its pipelines inherit
LOADERS = {
    **dict.fromkeys(("sd3", "sd35-medium", "sd35-large"), "SD3"),
    **dict.fromkeys(("flux1", "chroma", "bria", "bria-fibo"), "Flux"),
    **dict.fromkeys(("flux2-dev", "flux2-klein-4b", "flux2-klein-9b"), "Flux2"),
    **dict.fromkeys(("qwen-image", "qwen-image-2.1"), "QwenImage"),
    **dict.fromkeys(
        ("wan-14b", "wan-1.3b", "wan-5b", "wan-vace-14b", "wan-vace-1.3b", "wan-animate",
         "anyflow", "anyflow-far"), "Wan"
    ),
    **dict.fromkeys(("hunyuan-video", "hunyuan-video-framepack"), "HunyuanVideo"),
    **dict.fromkeys(("ltx-video", "ltx-video-13b"), "LTXVideo"),
    **dict.fromkeys(("sana", "sana-0.6b", "sana-video"), "Sana"),
    **dict.fromkeys(("cogvideox-2b", "cogvideox-5b", "consisid", "consisid-2b"), "CogVideoX"),
    **dict.fromkeys(("kandinsky5-lite", "kandinsky5-image", "kandinsky5-pro"), "Kandinsky"),
    **dict.fromkeys(("cosmos-2b", "cosmos-14b"), "Cosmos"),
    "flux3": "Flux3", "z-image": "ZImage", "ltx-2": "LTX2", "lumina2": "Lumina2",
    "auraflow": "AuraFlow", "hidream": "HiDreamImage", "krea2": "Krea2", "cogview4": "CogView4",
    "mochi": "Mochi1", "bria-fibo-2": "BriaFibo2", "ernie-image": "ErnieImage",
    "ideogram4": "Ideogram4", "helios": "Helios", "ace-step": "AceStep", "minimax-h3": "MiniMaxH3",
    "amused": "Amused",
}  # fmt: skip


def test_the_table_of_programs_says_what_was_loaded() -> None:
    said = {
        family
        for row in programs.ROWS
        if row.program == "diffusers"
        for family in row.families
        if FAMILIES[family].denoiser != "unet"
    }
    assert said == LOADERS.keys()


@pytest.mark.parametrize("family", LOADERS)
def test_every_key_is_loaded_and_means_what_we_say(
    family: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from peft.tuners.tuners_utils import BaseTunerLayer

    row = tables.rows()[FAMILIES[family].net]
    # the last of SD3's layers is of another shape
    model = build(row["class"], row["config"], 2 if LOADERS[family] == "SD3" else 1, "cpu")
    meant = adapter(family, model)
    write(meant, tmp_path / "x.safetensors", "diffusers")
    loader = getattr(pipeline, f"{LOADERS[family]}LoraLoaderMixin")
    logging.getLogger("diffusers").propagate = True
    with caplog.at_level(logging.WARNING):
        state, *_, metadata = loader.lora_state_dict(
            str(tmp_path), weight_name="x.safetensors", return_lora_metadata=True
        )
        load = loader.load_lora_into_transformer
        old = (
            {"network_alphas": None}
            if "network_alphas" in inspect.signature(load).parameters
            else {}
        )
        load(state, transformer=model, metadata=metadata, **old)
    assert [record.getMessage() for record in caplog.records] == []
    loaded = {name: m for name, m in model.named_modules() if isinstance(m, BaseTunerLayer)}
    assert set(loaded) == {module.path for module in meant}
    for module, delta in meant.items():
        assert isinstance(delta, LowRank)
        same_change(delta, loaded[module.path])


def adapter(family: str, model: Any) -> Adapter:
    """A change of rank two on each module that the network and our table share."""
    rng = np.random.default_rng(0)
    shapes = FAMILIES[family].parts["denoiser"].shapes
    deltas = {}
    for path, layer in model.named_modules():
        if path not in shapes or getattr(layer, "groups", 1) > 1:
            continue
        if tuple(layer.weight.shape) != shapes[path]:
            assert path == "transformer_blocks.1.norm1_context.linear"
            continue
        out, into, *kernel = shapes[path]
        up = rng.standard_normal((out, 2, *(1 for _ in kernel)), np.float32)
        down = rng.standard_normal((2, into, *kernel), np.float32)
        deltas[Module("denoiser", path)] = LowRank(up, down, scale=0.3)
    assert len(deltas) > 5
    return Adapter(deltas, family)


def same_change(delta: LowRank, layer: Any) -> None:
    """Theirs on a few directions, of a network whose own weights are nowhere."""
    A, B = (getattr(layer, f"lora_{x}")["default_0"].weight for x in "AB")
    theirs = (B.detach().double().flatten(1) * layer.scaling["default_0"], A.detach().double())
    ours = delta.up.reshape(len(delta.up), -1).astype(float) * delta.scale, delta.down
    probe = np.random.default_rng(1).standard_normal((ours[1].reshape(2, -1).shape[1], 3))
    wanted = ours[0] @ (ours[1].reshape(2, -1).astype(float) @ probe)
    found = theirs[0].numpy() @ (theirs[1].flatten(1).numpy() @ probe)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())
