"""PEFT folders that we write load as PEFT loads its own, with nothing missing or unexpected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lorarium.adapter import Adapter, Bias, Module
from lorarium.formats import read, write
from tests.formats.oracle import dense
from tests.interop import tiny

peft = pytest.importorskip("peft")
torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore")]

FOLDERS = {"flux1": "transformer"}


def of_part(adapter: Adapter, part: str) -> Adapter:
    return adapter.with_(deltas={m: d for m, d in adapter.items() if m.part == part})


@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("family", ["sd1", "sdxl", "flux1"])
def test_folder_loads_and_applies(family: str, dora: bool, tmp_path: Path) -> None:
    _, networks = tiny.pipeline(family)
    layers = tiny.weights(networks, family)
    meant = tiny.adapter(layers, family, scales=(0.5, 0.3, 1.0), dora=dora)
    assert write(meant, tmp_path / "all", "peft").verified
    for part, network in networks.items():
        name = FOLDERS.get(family, "unet") if part == "denoiser" else part
        apply(network, tmp_path / "all" / name, family, part, of_part(meant, part))


def test_single_network_is_one_folder(tmp_path: Path) -> None:
    _, networks = tiny.pipeline("sd1")
    layers = tiny.weights({"denoiser": networks["denoiser"]}, "sd1")
    meant = tiny.adapter(layers, "sd1", scales=(0.25,))
    write(meant, tmp_path / "unet-only", "peft")
    assert (tmp_path / "unet-only" / "adapter_config.json").is_file()
    apply(networks["denoiser"], tmp_path / "unet-only", "sd1", "denoiser", meant)


def test_bias_of_every_module(tmp_path: Path) -> None:
    _, networks = tiny.pipeline("sd1")
    layers = tiny.weights({"text_encoder": networks["text_encoder"]}, "sd1")
    meant = tiny.adapter(layers, "sd1", scales=(0.5,))
    first = next(iter(layers))
    vector = np.linspace(-1, 1, layers[first].bias.shape[0], dtype=np.float32)
    bias = Module(first.part, f"{first.path}.bias")
    meant = meant.with_(deltas={**meant.deltas, bias: Bias(vector)})
    before = layers[first].bias.detach().numpy().copy()
    assert write(meant, tmp_path / "te", "peft").verified
    apply(networks["text_encoder"], tmp_path / "te", "sd1", "text_encoder", of_weights(meant))
    after = tiny.weights({"text_encoder": networks["text_encoder"]}, "sd1")[first].bias
    np.testing.assert_allclose(after.detach().numpy(), before + vector, atol=1e-6)


def of_weights(adapter: Adapter) -> Adapter:
    return adapter.with_(deltas={m: d for m, d in adapter.items() if not isinstance(d, Bias)})


def apply(network: Any, folder: Path, family: str, part: str, meant: Adapter) -> None:
    layers = tiny.weights({part: network}, family)
    before = {m: layer.weight.detach().double().numpy().copy() for m, layer in layers.items()}
    config = peft.LoraConfig.from_pretrained(str(folder))
    model = peft.PeftModel(network, config)
    result = model.load_adapter(str(folder), adapter_name="default")
    assert not result.unexpected_keys
    assert not [key for key in result.missing_keys if "lora_" in key]
    tuned = [x for x in model.modules() if isinstance(x, peft.tuners.tuners_utils.BaseTunerLayer)]
    assert len(tuned) == len(meant)
    model.merge_and_unload()
    after = tiny.weights({part: network}, family)
    for module, base in before.items():
        found = after[module].weight.detach().double().numpy()
        wanted = tiny.applied(meant[module], base)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6, err_msg=str(module))


def test_a_folder_peft_saved_reads_back(tmp_path: Path) -> None:
    """The other way: PEFT writes, with patterns and rsLoRA, and we read the true change."""
    _, networks = tiny.pipeline("sd1")
    network = networks["text_encoder"]
    config = peft.LoraConfig(
        r=4,
        lora_alpha=3,
        use_rslora=True,
        target_modules=["q_proj", "fc1"],
        rank_pattern={"layers.1.self_attn.q_proj": 2},
        alpha_pattern={"fc1": 5},
        init_lora_weights=False,
    )
    before = {
        m: layer.weight.detach().double().numpy().copy()
        for m, layer in tiny.weights({"text_encoder": network}, "sd1").items()
    }
    model = peft.get_peft_model(network, config)
    model.save_pretrained(str(tmp_path / "saved"))
    assert json.loads((tmp_path / "saved" / "adapter_config.json").read_text())["use_rslora"]
    adapter = read(tmp_path / "saved", "sd1")
    model.merge_and_unload()
    after = tiny.weights({"text_encoder": network}, "sd1")
    assert len(adapter) == 4
    for module, delta in adapter.items():
        found = after[module].weight.detach().double().numpy() - before[module]
        np.testing.assert_allclose(found, dense(delta), atol=1e-6, err_msg=str(module))
