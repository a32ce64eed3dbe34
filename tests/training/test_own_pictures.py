"""Pictures of one's own: folders that are artists and things."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lorarium.encoders.store import shipped
from lorarium.errors import LorariumError
from lorarium.pictures import read_pictures
from lorarium.recipes import describe_data
from lorarium.recipes.adoption.effort import Effort, Tuning
from lorarium.training.manifest import OWN
from lorarium.training.mint import job_of
from lorarium.training.own_pictures import own_pictures
from tests.bases.tiny import micro
from tests.training.own import own_folder


def test_folders_are_artists_and_things_with_captions(tmp_path: Path) -> None:
    style, subject = own_pictures(own_folder(tmp_path))
    assert (style.kind, style.folder.name) == ("style", "mine")
    assert (subject.kind, subject.folder.name) == ("subject", "mug")
    pictures, prompts = style.read(24)
    assert pictures.shape == (5, 24, 24, 3)
    assert prompts[0] == "a red cat in sty1" and prompts[4] == "in sty1"
    assert subject.read(24)[1][2:] == ("a sub1 a blue teapot", "a sub1")


def test_what_nothing_can_be_learned_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LorariumError, match="no pictures of artists or things"):
        own_pictures(tmp_path)
    own_folder(tmp_path)
    for file in (tmp_path / "styles" / "mine").glob("[0-2].png"):
        file.unlink()
    with pytest.raises(LorariumError, match="mine: fewer than 4 pictures"):
        own_pictures(tmp_path)


def test_they_join_the_zoo_and_what_is_seen_of_it(tmp_path: Path) -> None:
    own = own_pictures(own_folder(tmp_path))
    drawn, more = Effort(0.02, Tuning()), Effort(0.02, Tuning(), own=own)
    added = more.zoo().entries[len(drawn.zoo().entries) :]
    assert [(e.kind, e.recipe) for e in added] == [
        ("style", "R0"), ("style", "R0"), ("style", "R1"),
        ("subject", "S0"), ("subject", "S0"), ("subject", "S1"),
    ]  # fmt: skip
    assert {e.split for e in added} == {OWN} and len({e.seed for e in added}) == 6
    assert not [e for e in more.merge_zoo().entries if e.split == OWN]  # nobody knows the truth
    base = micro()
    job = job_of(added[0], base)
    assert job.pictures.shape == (5, base.size, base.size, 3)
    assert job.prompts[1] == "a green cat in sty1" and job.about["lorarium.of"] == "mine"
    seen = describe_data.pictures_of(added[0], 7)
    files = own[0].files()
    assert np.array_equal(seen, read_pictures([*files, *files[:2]], describe_data.SIZE))
    table = describe_data.picture_table(added[:1], shipped("judge_a").net, 7)
    assert table.shape[:2] == (1, 7) and np.allclose(table[0, 0], table[0, 5])
