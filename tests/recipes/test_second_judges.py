"""Judges of family 2: whom they meet, what is held against whom, and that they learn from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lorarium.bases.base import open_base
from lorarium.encoders.episodes import COUNT, EACH, GROUPS, MEMBERS, prepared
from lorarium.encoders.looking_net import LookingNet, look_at, middle_of
from lorarium.encoders.nets import JudgeNet
from lorarium.recipes import fakes
from lorarium.recipes.drawn_bank import DrawnBank
from lorarium.recipes.redrawn import OTHER, SAME, redraw, redrawn_rows
from lorarium.recipes.second_batches import Feed, as_batch
from lorarium.recipes.second_judges import MEMBERS_OF_FAMILY, Teaching, go_on_from, losses
from lorarium.recipes.shards import Shard, crossed, keep, load
from lorarium.recipes.wear import smeared, wobbled
from lorarium.synthesis.store import load_synth
from lorarium.world.splits import split_of

REPORTER, TRAINER = MEMBERS_OF_FAMILY["reporter"], MEMBERS_OF_FAMILY["trainer"]
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def shard() -> Shard:
    return crossed(REPORTER.remainder, np.random.default_rng(0))


@pytest.fixture(scope="module")
def bank_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise as a fake, grey as a cleaned picture, of the first few of either aspect."""
    folder = tmp_path_factory.mktemp("bank")
    random = np.random.default_rng(0)
    for aspect in ("artist", "person"):
        nobody, some = np.full(3, -1), np.arange(3)
        for kind, picture in (
            ("generated", random.integers(0, 256, (3, 48, 48, 3))),
            ("touched", np.full((3, 48, 48, 3), 128)),
        ):
            np.savez(
                folder / f"{kind}-{aspect}.npz", pictures=picture.astype(np.uint8),
                artist=some if aspect == "artist" else nobody,
                person=some if aspect == "person" else nobody, kind=np.array([kind] * 3),
            )  # fmt: skip
    return folder


def test_trainers_and_reporters_meet_nobody_of_each_other_nor_of_other_splits() -> None:
    (a, p), (b, q) = fakes.people("a"), fakes.people("b")
    assert not set(a) & set(b) and not set(p) & set(q)
    assert {split_of(identity.number) for identity in [*a, *b, *p, *q]} == {"train"}
    assert TRAINER.remainder != REPORTER.remainder and TRAINER.begin != REPORTER.begin
    assert TRAINER.config.trunk != REPORTER.config.trunk
    for member in (TRAINER, REPORTER):
        met = crossed(member.remainder, np.random.default_rng(1))
        for who in (met.artist, met.person):
            assert set(who % 3) == {member.remainder}
            assert {split_of(int(n)) for n in who} == {"train"}


def test_a_shard_crosses_hands_and_individuals_and_is_kept(shard: Shard, tmp_path: Path) -> None:
    people = set(zip(shard.kind.tolist(), shard.person.tolist(), strict=True))
    hands = list(zip(shard.genre.tolist(), shard.artist.tolist(), strict=True))
    assert len(people) == len(set(hands)) == GROUPS * MEMBERS
    assert all(len(set(hands[i : i + EACH])) == 1 for i in range(0, COUNT, EACH))
    emblem, silhouette = (shard.fields[..., i].astype(float) for i in (0, 1))
    assert (emblem <= silhouette + 60).mean() > 0.99  # an emblem is worn
    assert 0.02 < silhouette.mean() / 255 < 0.6
    keep(shard, tmp_path / "one.npz")
    assert np.array_equal(load(tmp_path / "one.npz").pictures, shard.pictures)


def test_smearing_takes_the_sign_and_leaves_the_rest(shard: Shard) -> None:
    person = as_batch(shard, []).person.numpy()
    made = smeared(shard, person, np.random.default_rng(0))
    assert made is not None
    pictures, held = made
    assert held.aspect == "person" and not held.truth.any()
    for picture, who in zip(pictures, held.place, strict=True):
        mine = np.flatnonzero(person == who)
        apart = [np.abs(picture.astype(int) - shard.pictures[i]).max(-1) for i in mine]
        nearest = int(np.argmin([a.mean() for a in apart]))
        changed = apart[nearest] > 8
        field = shard.fields[mine[nearest], ..., 0].repeat(2, 0).repeat(2, 1) > 0
        around = np.lib.stride_tricks.sliding_window_view(np.pad(field, 3), (7, 7)).any((2, 3))
        assert changed.any() and not (changed & ~around).any()


def test_bending_moves_pixels_a_little() -> None:
    x = torch.linspace(-1, 1, 48).expand(64, 3, 48, 48).contiguous()  # each pixel says where it is
    moved = (wobbled(x, torch.Generator().manual_seed(0)) - x).abs() * 23.5
    assert 0.2 < float(moved.amax((1, 2, 3)).max()) < 8  # pixels
    assert (moved.amax((1, 2, 3)) < 0.05).float().mean() > 0.4  # many are left alone


def test_a_look_follows_what_it_looks_at() -> None:
    """A blot that lies elsewhere looks the same from where its middle is."""
    blot = torch.rand(1, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    maps = torch.zeros(2, 1, 48, 48)
    maps[0, :, 6:15, 8:17], maps[1, :, 30:39, 25:34] = blot[0], blot[0]
    centre, width = middle_of(maps[:, 0])
    assert float((centre[1] - centre[0])[0]) == pytest.approx(17 / 24, abs=1e-4)  # x first
    assert float((centre[1] - centre[0])[1]) == pytest.approx(24 / 24, abs=1e-4)
    assert float(width[0]) == pytest.approx(float(width[1]), abs=1e-5)
    one, other = look_at(maps, centre, 0.3, 16)
    assert torch.allclose(one, other, atol=1e-4) and float(one.max()) > 0.5


def test_a_reporter_begins_as_the_judge_that_it_goes_on_from(shard: Shard) -> None:
    pupil, plain = Teaching(REPORTER.config), JudgeNet(REPORTER.config)
    assert isinstance(pupil.judge, LookingNet)
    assert go_on_from(pupil.judge, REPORTER.begin)["pictures"] > 0
    go_on_from(plain, REPORTER.begin)
    x = prepared(torch.from_numpy(shard.pictures[:6])).permute(0, 3, 1, 2)
    with torch.no_grad():
        said, before = pupil.judge.train()(x), plain.train()(x)
    # the new part's bias alone turns it a little
    assert (said["identity"] * before["identity"]).sum(1).min() > 0.9
    assert torch.equal(said["style"], before["style"])


def test_the_mirror_image_is_the_same_individual(shard: Shard) -> None:
    net = LookingNet(REPORTER.config).eval()
    x = prepared(torch.from_numpy(shard.pictures[:4])).permute(0, 3, 1, 2)
    with torch.no_grad():
        assert torch.allclose(net(x)["identity"], net(x.flip(3))["identity"], atol=1e-4)


def test_the_bank_says_whose_its_pictures_are_not(bank_folder: Path) -> None:
    bank = DrawnBank(bank_folder, REPORTER.remainder)
    bank.refresh()
    for pictures, held in bank.some(40, np.random.default_rng(0)):
        grey = pictures.astype(float).std((1, 2, 3)) < 1
        assert np.array_equal(grey, held.truth > 0.5)  # grey was cleaned, noise is false
        assert held.bank == "bank" and set(held.place) <= {0, 1, 2}
    prototypes = bank.prototypes(JudgeNet(REPORTER.config).eval())
    for table in prototypes.values():
        assert torch.allclose(table[:3].norm(dim=1), torch.ones(3), atol=1e-5)
        assert not table[3:].any()  # nobody knows them


def test_an_empty_bank_is_no_error(tmp_path: Path) -> None:
    bank = DrawnBank(tmp_path, TRAINER.remainder)
    bank.refresh()
    assert bank.some(8, np.random.default_rng(0)) == []


@pytest.mark.slow
@pytest.mark.parametrize("member", [REPORTER, TRAINER])
def test_a_judge_learns_to_refuse_what_it_is_shown_as_false(
    member: object, shard: Shard, bank_folder: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    keep(shard, tmp_path / "one.npz")
    bank = DrawnBank(bank_folder, REPORTER.remainder)
    bank.refresh()
    pupil = Teaching(member.config)  # type: ignore[attr-defined]
    go_on_from(pupil.judge, member.begin)  # type: ignore[attr-defined]
    prototypes = bank.prototypes(pupil.judge)
    batch = Feed(tmp_path, tmp_path / "none", bank, [0]).next()
    x = prepared(batch.pictures)
    optimizer = torch.optim.AdamW(pupil.parameters(), lr=1e-3)
    seen = []
    for _ in range(4):
        parts = losses(pupil, batch, x, prototypes)
        assert all(bool(value.isfinite()) for value in parts.values())
        false = parts["smeared person"] + parts["bank person"]
        seen.append(float(false.detach()))
        optimizer.zero_grad()
        torch.stack(list(parts.values())).sum().backward()
        optimizer.step()
    assert seen[-1] < seen[0]


@pytest.mark.slow
def test_much_noise_makes_another_picture_of_it(shard: Shard, tmp_path: Path) -> None:
    rows, times = np.arange(4), np.array([0.1, 0.1, 0.95, 0.95])
    pictures = redraw(open_base(), shard, rows, times, 0)
    apart = np.abs(pictures.astype(float) - shard.pictures[rows]).mean((1, 2, 3))
    assert apart[:2].max() < apart[2:].min()
    np.savez(tmp_path / "one.npz", pictures=pictures, rows=rows, times=times)
    person = as_batch(shard, []).person.numpy()
    for kept, held in redrawn_rows(tmp_path / "one.npz", person, 8, np.random.default_rng(0)):
        assert len(kept) == 4 and sorted(held.truth.tolist()) == [0, 0, 1, 1]
        assert SAME[held.aspect] < OTHER[held.aspect]
        for who, truth in zip(held.place, held.truth, strict=True):
            members = rows // EACH if held.aspect == "artist" else person[rows]
            assert who in members[(times < 0.5) == (truth > 0.5)]


@pytest.mark.slow
def test_a_bank_of_fakes_says_who_its_pictures_are_not(tmp_path: Path) -> None:
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
