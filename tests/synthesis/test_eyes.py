"""Judge A's eyes, which a generator sees with, are not shipped twice."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from lorarium.encoders.store import shipped  # noqa: E402
from lorarium.errors import LorariumError  # noqa: E402
from lorarium.synthesis import store  # noqa: E402
from lorarium.synthesis.store import load_synth, save_synth  # noqa: E402
from tests.bases.tiny import micro  # noqa: E402
from tests.synthesis.tiny import synth  # noqa: E402


def test_eyes_of_judge_a_stay_out_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = micro()
    own = synth(base)
    save_synth(tmp_path / "own.safetensors", own.net, own.extras, own.card)
    own.net.eyes.inherit(shipped("judge_a").net)
    path = tmp_path / "judges.safetensors"
    save_synth(path, own.net, own.extras, own.card)
    assert path.stat().st_size < 0.8 * (tmp_path / "own.safetensors").stat().st_size
    again = load_synth(path, base)
    for name, value in own.net.state_dict().items():
        assert torch.equal(again.net.state_dict()[name], value.half().float()), name
    assert again.hash != load_synth(tmp_path / "own.safetensors", base).hash
    strange = {k: v + 1 for k, v in store._judges_eyes().items()}
    monkeypatch.setattr(store, "_judges_eyes", lambda: strange)
    with pytest.raises(LorariumError, match="another judge A"):
        load_synth(path, base)
