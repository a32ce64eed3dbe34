"""How loud a generator writes is a matter of what is drawn with it."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lorarium.recipes import synth_strength  # noqa: E402
from lorarium.synthesis.make import synthesize, written  # noqa: E402
from lorarium.synthesis.net import KINDS  # noqa: E402
from lorarium.synthesis.store import Synth  # noqa: E402
from tests.bases.tiny import micro  # noqa: E402
from tests.synthesis.tiny import pictures, synth  # noqa: E402

torch.set_num_threads(1)


def test_the_quietest_of_those_that_are_as_good() -> None:
    assert synth_strength.weakest_good({"1.0": 0.85, "1.5": 0.86, "2.0": 0.5}) == 1.0
    assert synth_strength.weakest_good({"1.0": 0.7, "1.5": 0.86, "2.0": 0.85}) == 1.5


def test_loudness_multiplies_what_was_found() -> None:
    base = micro()
    plain = synth(base)
    stronger = synth_strength.with_strengths(plain.net, {"style": 2.0, "subject": 1.0})
    with torch.no_grad():
        seen = plain.net.eyes(torch.randn(2, 3, 48, 48).tanh())[None]
        style, subject = (torch.tensor([KINDS.index(k)]) for k in ("style", "subject"))
        twice = written(plain.net, base, 2 * plain.net.query_answers(seen, style))
        assert torch.equal(
            stronger.query_answers(seen, subject), plain.net.query_answers(seen, subject)
        )
        made = written(stronger, base, stronger.query_answers(seen, style))
    for module, delta in made.items():
        assert np.allclose(delta.up, twice[module].up, atol=1e-6)


def test_what_was_tried_is_what_pictures_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synth_strength, "TARGETS", 2)
    monkeypatch.setattr(synth_strength, "CELLS", 2)
    monkeypatch.setattr(synth_strength, "STEPS", 2)
    monkeypatch.setattr(synth_strength, "STRENGTHS", (0.0, 1.0))
    base = micro()
    net = synth(base).net
    strengths, scores = synth_strength.best_strengths(base, net)
    assert set(strengths) == set(scores) == set(KINDS)
    with torch.no_grad():
        net.mix.zero_()
    _, again = synth_strength.best_strengths(base, net)
    for kind in KINDS:  # nothing is written: as quiet as loudness 0
        assert again[kind]["1.0"] == again[kind]["0.0"] == scores[kind]["0.0"]


def test_a_file_knows_its_loudness(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from lorarium.synthesis.store import load_synth, save_synth

    base = micro()
    plain = synth(base)
    marks = []
    for times in (1.0, 2.0):
        net = synth_strength.with_strengths(plain.net, {"style": times, "subject": 1.0})
        save_synth(tmp_path / "s.safetensors", net, plain.extras, plain.card)
        again = load_synth(tmp_path / "s.safetensors", base)
        assert again.net.config.loud == (times, 1.0)
        marks.append(again.hash)
    assert marks[0] != marks[1]
    references = pictures(2, 1, 48)
    made, direct = (
        synthesize(s, base, references).adapter
        for s in (again, Synth(net, plain.extras, plain.card))
    )
    module = next(iter(made))
    assert np.allclose(made[module].up, direct[module].up, rtol=2e-2, atol=1e-3)
