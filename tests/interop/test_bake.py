"""A baked checkpoint is what diffusers gets by fusing the same LoRA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lorarium.formats import read, write
from lorarium.formats.container import load
from lorarium.mergers.bake import bake
from lorarium.mergers.extract import extract
from tests.interop import tiny

pytest.importorskip("diffusers")
pytest.importorskip("peft")
pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("family", ["sd1", "flux1"])
def test_it_equals_fusing(family: str, dora: bool, tmp_path: Path) -> None:
    pipe, networks = tiny.pipeline(family)
    network = networks["denoiser"]
    name = "transformer" if family == "flux1" else "unet"
    layers = tiny.weights({"denoiser": network}, family)
    network.save_pretrained(tmp_path / "base" / name)
    adapter = tiny.adapter(layers, family, scales=(0.5, 0.25), dora=dora)
    write(adapter, tmp_path / "lora.safetensors", "diffusers")
    given = read(tmp_path / "lora.safetensors", family)
    done = bake(tmp_path / "base", [given], out=tmp_path / "baked.safetensors")
    assert done.changed == len(layers)

    pipe.load_lora_weights(str(tmp_path), weight_name="lora.safetensors")
    pipe.fuse_lora(components=[name])
    pipe.unload_lora_weights()
    fused = {key: tensor.numpy() for key, tensor in network.state_dict().items()}
    baked = load(tmp_path / "baked.safetensors").tensors
    assert baked.keys() == fused.keys()
    for key, array in baked.items():
        np.testing.assert_allclose(array, fused[key], rtol=0, atol=1e-6, err_msg=key)
    if not dora:
        found, report = extract(tmp_path / "base", tmp_path / "baked.safetensors", rank=3)
        assert set(found) == set(adapter) and report.report.relative < 1e-5
