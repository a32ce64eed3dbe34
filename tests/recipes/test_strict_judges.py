"""Judges of family 2 meet fakes: who they are held against, and that they learn to refuse them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lorarium.bases.base import open_base
from lorarium.encoders.episodes import COUNT, GROUPS, MEMBERS, prepared
from lorarium.encoders.store import inherit
from lorarium.recipes import fakes
from lorarium.recipes.strict_judges import (
    Fakes,
    Pupil,
    StrictEpisode,
    roughen_pictures,
    strict_losses,
)
from lorarium.synthesis.store import load_synth
from lorarium.world.splits import split_of


def bank(folder: Path, artists: int, persons: int) -> Fakes:
    """Noise as everybody's fake, grey as everybody's cleaned picture."""
    random = np.random.default_rng(0)
    for aspect, count in (("artist", artists), ("person", persons)):
        nobody, everybody = np.full(count, -1), np.arange(count)
        for kind, picture in (
            ("generated", random.integers(0, 256, (count, 48, 48, 3))),
            ("touched", np.full((count, 48, 48, 3), 128)),
        ):
            np.savez(
                folder / f"{kind}-{aspect}.npz", pictures=picture.astype(np.uint8),
                artist=everybody if aspect == "artist" else nobody,
                person=everybody if aspect == "person" else nobody, kind=np.array([kind] * count),
            )  # fmt: skip
    return Fakes(folder)


def test_trainers_and_reporters_meet_nobody_of_each_other_nor_of_other_splits() -> None:
    (a, p), (b, q) = fakes.people("a"), fakes.people("b")
    assert not set(a) & set(b) and not set(p) & set(q)
    assert len(a) == len(b) and len(p) == len(q)
    assert {split_of(identity.number) for identity in [*a, *b, *p, *q]} == {"train"}


def test_an_episode_holds_fakes_against_the_right_people(tmp_path: Path) -> None:
    artists, persons = fakes.people("b")
    store = bank(tmp_path, len(artists), len(persons))
    random = np.random.default_rng(1)
    episode = StrictEpisode("b", random)
    assert len(episode.artists) == len(episode.persons) == GROUPS * MEMBERS
    pictures, held = episode.extra(store, random)
    for aspect in ("artist", "person"):
        rows, members, truth = held[aspect]
        assert 0 < truth.sum() < len(truth)
        assert rows.min() >= COUNT and rows.max() < COUNT + len(pictures)
        asked = pictures[rows - COUNT].float().flatten(1)
        assert torch.equal(asked.std(1) < 1, truth > 0.5)  # grey is true here, noise is false
        known = episode.artists if aspect == "artist" else episode.persons
        assert all(known[i] >= 0 for i in members.tolist())
    assert not set(held["artist"][0].tolist()) & set(held["person"][0].tolist())


def test_an_empty_bank_is_no_error(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    pictures, held = StrictEpisode("a", random).extra(Fakes(tmp_path), random)
    assert len(pictures) == 0 and all(len(part) == 0 for rows in held.values() for part in rows)


@pytest.mark.slow
def test_a_judge_learns_to_refuse_what_it_is_shown_as_fake(tmp_path: Path) -> None:
    torch.manual_seed(0)
    artists, persons = fakes.people("b")
    store = bank(tmp_path, len(artists), len(persons))
    random, wear = np.random.default_rng(2), torch.Generator().manual_seed(2)
    episode, pupil = StrictEpisode("b", random), Pupil("judge_b")
    inherit(pupil.judge, "judge_b")
    optimizer = torch.optim.AdamW(pupil.parameters(), lr=1e-3)
    values: list[float] = []
    for _ in range(5):
        extra, held = episode.extra(store, random)
        x = roughen_pictures(prepared(torch.cat([episode.episode.pictures, extra])), wear)
        losses = strict_losses(pupil, episode.episode, x, held)
        assert all(bool(value.isfinite()) for value in losses.values())
        refused = losses["touched artist"] + losses["fake artist"]
        values.append(float(refused.detach()))
        optimizer.zero_grad()
        refused.backward()
        optimizer.step()
    assert values[-1] < values[0]


@pytest.mark.slow
def test_a_bank_says_who_its_pictures_are_not(tmp_path: Path) -> None:
    base = open_base()
    plan = fakes.Plan(steps=1, generated=2, brief=1, brief_pictures=1, touched=2)
    group = fakes.people("b")[0][:2]
    store = fakes.FakeBank(tmp_path)
    synth = load_synth(base=base)
    fakes.draw_group(store, base, synth, "artist", 0, group, np.random.default_rng(0), plan)
    rows = {file.stem: np.load(file) for file in tmp_path.glob("*.npz")}
    kinds = {name.split("-")[0] for name in rows}
    assert kinds == {"generated", "brief", "worded", "touched", "roles", "sum", "artist"}
    assert rows["generated-artist-0000"]["artist"].tolist() == [0, 0, 1, 1]
    assert (rows["roles-artist-0000"]["person"] >= 0).all()
    assert all(file["pictures"].dtype == np.uint8 for file in rows.values())
