"""What we write loads in diffusers' own pipelines, every key of it, and does what we say."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from lorarium.formats import write
from tests.interop import tiny

pytest.importorskip("diffusers")
pytest.importorskip("peft")
pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore")]

# diffusers' own reader of kohya FLUX files has the real widths written into it
CASES = [("sd1", "diffusers"), ("sdxl", "diffusers"), ("flux1", "diffusers")]
CASES += [("sd1", "kohya"), ("sdxl", "kohya"), ("sdxl", "kohya-diffusers")]
CASES += [("sd1", "diffusers-0.17"), ("sdxl", "diffusers-0.17")]


@pytest.mark.parametrize(("family", "dialect"), CASES)
def test_pipeline_loads_and_applies(
    family: str, dialect: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # of kohya files diffusers understands one alpha and one rank per network
    mixed = "kohya" not in dialect
    check(family, dialect, tmp_path, caplog, scales=(0.5, 0.3, 1.0) if mixed else (0.3,))


@pytest.mark.parametrize("family", ["sd1", "flux1"])
def test_dora_in_diffusers(family: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(family, "diffusers", tmp_path, caplog, scales=(0.5, 2.0), dora=True)


def check(
    family: str,
    dialect: str,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    *,
    scales: tuple[float, ...],
    dora: bool = False,
) -> None:
    from peft.tuners.tuners_utils import BaseTunerLayer

    pipe, networks = tiny.pipeline(family)
    layers = tiny.weights(networks, family)
    layers = {m: x for m, x in layers.items() if readable(m.path, dialect)}
    meant = tiny.adapter(layers, family, scales=scales, dora=dora, mixed="kohya" not in dialect)
    before = {m: layer.weight.detach().double().numpy().copy() for m, layer in layers.items()}
    report = write(meant, folder / "made.safetensors", dialect)
    assert report.verified and not report.refused()

    logging.getLogger("diffusers").propagate = True
    with caplog.at_level(logging.WARNING, logger="diffusers"):
        pipe.load_lora_weights(str(folder), weight_name="made.safetensors")
    said = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith(("diffusers", "peft", "transformers.integrations"))
        and "No LoRA keys" not in record.getMessage()
        and "torchvision" not in record.getMessage()
    ]
    assert not said
    tuned = sum(
        isinstance(layer, BaseTunerLayer)
        for network in networks.values()
        for layer in network.modules()
    )
    assert tuned == len(meant)
    names = {"denoiser": "transformer" if family == "flux1" else "unet"}
    pipe.fuse_lora(components=[names.get(part, part) for part in networks])
    after = tiny.weights(networks, family)
    for module, base in before.items():
        wanted = tiny.applied(meant[module], base)
        found = after[module].weight.detach().double().numpy()
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6, err_msg=str(module))


def readable(path: str, dialect: str) -> bool:
    """Whether diffusers' reader of kohya names gets a name right."""
    return dialect != "kohya-diffusers" or not path.startswith("add_embedding")
