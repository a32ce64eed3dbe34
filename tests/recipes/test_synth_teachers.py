"""The generator learned from teachers, on a tiny base."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")


from lorarium.encoders.training import FitConfig  # noqa: E402
from lorarium.evaluation.describe.zoo import read_zoo  # noqa: E402
from lorarium.recipes import synth, synth_teachers, teachers  # noqa: E402
from lorarium.recipes.synth_loss import Words, generated_branches  # noqa: E402
from lorarium.recipes.synth_teachers import Teachers, prompts_of  # noqa: E402
from lorarium.recipes.teachers import missed  # noqa: E402
from lorarium.synthesis.net import Generator  # noqa: E402
from tests.bases.tiny import micro  # noqa: E402
from tests.evaluation.merge.tiny_zoo import tiny_zoo  # noqa: E402

torch.set_num_threads(1)


@pytest.mark.slow
def test_a_generator_comes_nearer_to_what_its_teachers_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teachers, "STEPS", 3)
    monkeypatch.setattr(synth_teachers, "DRAWN", 2)
    monkeypatch.setattr("lorarium.recipes.synth_basis.ROUNDS", 1)
    base = micro()
    taught = Teachers.of(read_zoo(tiny_zoo(tmp_path, base)), base, tmp_path / "walks")
    assert {e.split for e, _ in taught.adapters} == {"train"}
    assert {e.kind for e, _ in taught.adapters} == {"style", "subject"}
    taught.make()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "walks").iterdir()}
    taught.make()
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "walks").iterdir()}
    words = Words(base)

    def score(net: Generator) -> float:
        lessons, values = taught.lessons(net.eyes), []
        assert [w.prompts for w in lessons.walks] == [
            tuple(prompts_of(e, i)) for i, (e, _) in enumerate(taught.adapters)
        ]
        for i in range(3):
            references, places = lessons.batch(4, 3, np.random.default_rng(i))
            with torch.no_grad():
                beside = generated_branches(base, net, references)
                values.append(missed(base, beside, places, words(places.prompts)).mean())
        return float(torch.stack(values).mean())

    plan = FitConfig(total=64 * 20, batch=64, muon=1e-2, adam=1e-2, ema=0.5, warmup=2, seed=3)
    net, _ = synth.train(taught, tmp_path / "run", plan, 0, rank=2, basis=4, width=32)
    first = score(net)
    net, _ = synth.train(taught, tmp_path / "run", plan, 5, rank=2, basis=4, width=32)
    assert score(net) < 0.9 * first
