"""`evaluate synth` on a random base: the way through, the figures, and going on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from lorarium.bases.base import open_base
from lorarium.evaluation.synth import Options, evaluate_synth
from lorarium.evaluation.synth.page import page, summary
from lorarium.evaluation.synth.protocol import BEST, FLOOR, gain
from lorarium.evaluation.synth.rows import SynthContender
from lorarium.evaluation.synth.targets import style_targets, subject_targets
from tests.synthesis.tiny import synth

pytestmark = [pytest.mark.interop, pytest.mark.slow]
torch.set_num_threads(1)
FEW = replace(Options().quick(), most=2, individuals=2, cells=2, steps=2, refine=(1,),
              trained=(2,), longest=2)  # fmt: skip


def test_the_whole_way_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = open_base()
    monkeypatch.setattr("lorarium.evaluation.synth.audit.EACH", 1)
    monkeypatch.setattr("lorarium.evaluation.synth.audit.PICTURES", 2)
    calls = []

    def more(kind: str) -> list[SynthContender]:
        def make(targets):  # type: ignore[no-untyped-def]
            calls.append(len(targets))
            return [None] * len(targets)

        return [SynthContender("the base again", make)]

    made = synth(base)
    document = evaluate_synth(base, made, tmp_path, FEW, more=more, say=lambda _: None)
    style = document["kinds"]["style"]
    assert list(style["groups"]) == ["seen", "held-out genres"]
    rows = {r["name"]: r for r in style["groups"]["seen"]["rows"]}
    assert rows["the base again"]["score"] == rows["base, no LoRA"]["score"]
    assert rows["true renders"]["score"] > rows["base, no LoRA"]["score"]
    assert rows["generated, 1 pictures"]["seconds"] > 0
    pairs = style["groups"]["seen"]["paired"]
    assert {p["less"] for p in pairs} == set(rows) - {"generated, 12 pictures"}
    audit = style["memorised"]["rows"]["true renders"]
    assert 0 <= audit["nearer to one of training"] <= 1 and 0 <= audit["nearer to a stranger"] <= 1
    json.dumps(document, allow_nan=False)
    assert "<table>" in page(document) and "trained, tuned" in summary(document)
    again = evaluate_synth(base, made, tmp_path, FEW, more=more, say=lambda _: None)
    assert len(calls) == 2 and again == document


def test_giving_back_what_was_learned_is_found() -> None:
    from lorarium.evaluation.judges import load_judge
    from lorarium.evaluation.synth.audit import memorised
    from lorarium.evaluation.synth.targets import pool

    targets = style_targets("test", 1, 6, 24, seed=0, max_artists=3)
    learned = [("style", name, 2000 + i) for name in ("ink", "oil", "comic") for i in range(2)]
    (given_back, _) = pool("style", ("ink", 2000), "train", range(6), 24)
    cells = {
        "true": {t.name: t.true for t in targets},
        "replay": {t.name: given_back for t in targets},
    }
    report = memorised(load_judge("b"), "style", targets, cells, 24, learned)
    assert report is not None and report["training"] == 6
    assert report["rows"]["replay"]["nearer to one of training"] == 1
    assert report["rows"]["replay"]["nearer to training than to strangers by"]["low"] > 0
    assert report["rows"]["true"]["nearer to training than to strangers by"]["mean"] < 0.1
    assert memorised(load_judge("b"), "style", targets, cells, 24, None) is None


def test_targets_share_nothing_with_what_judges_them() -> None:
    artists = style_targets("test", 1, 3, 24, seed=0, max_artists=2)
    assert [t.hard for t in artists] == [False, False, True, True, True]
    assert artists[2].plain[0].endswith("in sty1") and "sty1" not in artists[0].plain[0]
    for t in [*artists, *subject_targets("test", 2, 3, 24, seed=0)]:
        inputs = t.pictures.reshape(12, -1).astype(int)
        references = t.references.reshape(len(t.references), -1).astype(int)
        assert np.abs(inputs[:, None] - references[None]).sum(2).min() > 0
        assert len(t.cells) == len(t.true) == 3 and len(t.prompts) == 12


def test_the_gain_is_a_share_of_the_best() -> None:
    floor, best = np.full((4, 5), 0.2), np.full((4, 5), 0.6)
    scores = {FLOOR: floor, BEST: best, "half": np.full((4, 5), 0.4)}
    own = np.ones(4, bool)
    assert gain(scores, "half", own, 0) == {"mean": 0.5, "low": 0.5, "high": 0.5}
    assert gain({FLOOR: best, BEST: floor, "half": floor}, "half", own, 0) is None
    assert gain({FLOOR: floor}, FLOOR, own, 0) is None


def test_among_the_weights_of_a_folder(tmp_path: Path) -> None:
    from lorarium.descriptors.sketch import sketch
    from lorarium.evaluation.describe.zoo import read_zoo
    from lorarium.evaluation.synth.audit import TRAINING, among_weights
    from lorarium.formats import read
    from lorarium.training.mint import path_of
    from tests.evaluation.describe.minted import minted

    zoo = read_zoo(minted(tmp_path / "zoo", {"test": 2, "train": 2}))
    targets = [t for t in style_targets("test", 2, 1, 24, seed=0) if t.of[0] in ("ink", "oil")]

    def outputs(split: str, recipe: str) -> dict[str, np.ndarray]:
        """For each target an adapter of its genre: its own artist's, or a training artist's."""
        by_target = {}
        for t in targets:
            number = t.of[1] + (2000 if split == "train" else 0)
            entry = next(e for e in zoo.entries if e.of == (t.of[0], number) and e.recipe == recipe)
            by_target[t.name] = sketch(read(path_of(zoo.folder, entry))).output
        return by_target

    rows = {
        "its own": outputs("test", "R1"),
        "a copy": outputs("train", "R0"),
        "nothing": {t.name: np.empty(0) for t in targets},
    }
    report = among_weights("style", targets, rows, zoo, "test")
    assert (
        report is not None
        and report["targets"] == 4
        and set(report["rows"]) == set(rows) - {"nothing"}
    )
    assert report["rows"]["its own"]["nearest is its artist"] >= 0.75
    assert report["rows"]["its own"][TRAINING] <= 0.25
    assert report["rows"]["a copy"][TRAINING] == 1.0
    assert among_weights("subject", targets, rows, zoo, "test") is None
