"""The stage of LoRA.rar's network, on a few adapters minted on a tiny base."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from lorarium.bases.micro2 import Micro2Base  # noqa: E402
from lorarium.encoders.training import FitConfig  # noqa: E402
from lorarium.errors import LorariumError  # noqa: E402
from lorarium.evaluation.describe.zoo import Zoo, load, read_zoo  # noqa: E402
from lorarium.mergers import lora_rar as method  # noqa: E402
from lorarium.mergers import merge  # noqa: E402
from lorarium.recipes import merge as stage  # noqa: E402
from lorarium.recipes.workplace import Workplace  # noqa: E402
from tests.bases.tiny import micro  # noqa: E402
from tests.evaluation.merge.tiny_zoo import tiny_zoo  # noqa: E402

torch.set_num_threads(1)
SHORT = FitConfig(total=320, batch=4, muon=3e-4, adam=3e-4, ema=0.9, warmup=5, seed=3)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Zoo, Micro2Base]:
    base = micro()
    return read_zoo(tiny_zoo(tmp_path_factory.mktemp("zoo"), base)), base


def test_it_ships_once_and_merges(zoo: tuple[Zoo, Micro2Base], tmp_path: Path) -> None:
    known, base = zoo
    place = Workplace(base, tmp_path, tmp_path / "runs")
    asset = tmp_path / "lora_rar.safetensors"
    assert stage.train(known, place, minutes=5, plan=SHORT)
    card = json.loads(asset.with_suffix(".json").read_text())
    assert card["base_hash"] == base.hash and card["subjects"] == 2 and card["styles"] == 2
    scores = card["scores"]["validation"]
    assert 0 < scores["lora-rar"] < scores["sum"]
    # the same again is no better
    assert not stage.train(known, place, minutes=5, plan=SHORT)
    pair = [load(known, kind, "test").adapters[0] for kind in ("subject", "style")]
    merged = merge(pair, method="lora-rar", network=asset)
    options = json.loads(merged.metadata["lorarium.options"])
    assert options["network"] == method.load_network(asset).sha256[:16]
    other = [a.with_(metadata={**a.metadata, "lorarium.base_hash": "f" * 64}) for a in pair]
    with pytest.raises(LorariumError, match="trained on base ffffffffffff"):
        merge(other, method="lora-rar", network=asset)


def test_what_is_no_better_than_the_sum_stays(zoo: tuple[Zoo, Micro2Base], tmp_path: Path) -> None:
    known, base = zoo
    wild = replace(SHORT, total=8, muon=5.0, adam=5.0, warmup=1)
    asset = tmp_path / "lora_rar.safetensors"
    place = Workplace(base, tmp_path, tmp_path / "runs")
    assert not stage.train(known, place, minutes=5, plan=wild)
    assert not asset.exists()


def test_another_base_is_refused(zoo: tuple[Zoo, Micro2Base], tmp_path: Path) -> None:
    with pytest.raises(LorariumError, match="another base"):
        stage.train(zoo[0], Workplace(micro(seed=1), tmp_path, tmp_path))
