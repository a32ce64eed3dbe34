"""Lorarium's merger: numpy against torch, its laws, its stage on a tiny zoo, its file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lorarium.adapter import Adapter, LowRank, Module  # noqa: E402
from lorarium.algebra import dense_delta  # noqa: E402
from lorarium.bases.micro2 import Micro2Base  # noqa: E402
from lorarium.encoders.training import FitConfig  # noqa: E402
from lorarium.errors import LorariumError  # noqa: E402
from lorarium.evaluation.describe.zoo import Zoo, load, read_zoo  # noqa: E402
from lorarium.formats import container  # noqa: E402
from lorarium.mergers import merge, merge_with_report  # noqa: E402
from lorarium.mergers.roles import ROLES, load_roles  # noqa: E402
from lorarium.recipes import cell_teachers, teachers  # noqa: E402
from lorarium.recipes import roles as stage  # noqa: E402
from lorarium.recipes.cell_teachers import teachers_of  # noqa: E402
from lorarium.training.recipe import Recipe  # noqa: E402
from lorarium.training.roles import RoleNet  # noqa: E402
from tests.bases.tiny import micro, same_weights  # noqa: E402
from tests.evaluation.merge.tiny_zoo import tiny_zoo  # noqa: E402

torch.set_num_threads(1)
PLAN = FitConfig(total=32 * 30, batch=32, adam=3e-2, ema=0.5, warmup=2, clip=1.0, seed=3)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Zoo, Micro2Base]:
    base = micro()
    return read_zoo(tiny_zoo(tmp_path_factory.mktemp("zoo"), base)), base


@pytest.fixture(scope="module")
def stirred(zoo: tuple[Zoo, Micro2Base], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that changes everything, as a file."""
    known, base = zoo
    net = any_net(known, base)
    path = tmp_path_factory.mktemp("roles") / "roles.safetensors"
    stage.save(path, net, {"name": "stirred", "base_hash": base.hash})
    return path


def any_net(zoo: Zoo, base: Micro2Base) -> RoleNet:
    torch.manual_seed(5)
    net = stage.initial_net(role_pairs(zoo, base, "train").read, hidden=8)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return net.half().float()


def role_pairs(zoo: Zoo, base: Micro2Base, split: str, folder: Path = Path()) -> stage.RolePairs:
    return stage.RolePairs.of(teachers_of(zoo, base, folder, split))


def pair(zoo: Zoo) -> list[Adapter]:
    return [load(zoo, kind, "test").adapters[0] for kind in ("subject", "style")]


def dense(adapter: Adapter) -> dict[Module, np.ndarray]:
    return {m: dense_delta(d) for m, d in adapter.items()}


def near(a: Adapter, b: Adapter, tolerance: float = 1e-4) -> bool:
    left, right = dense(a), dense(b)
    return left.keys() == right.keys() and all(
        np.allclose(left[m], right[m], atol=tolerance * np.abs(left[m]).max()) for m in left
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 1), (0, 0, 1), (0, 0, 1, 1), (1, 1)])
def test_numpy_merges_what_torch_learned(
    zoo: tuple[Zoo, Micro2Base], stirred: Path, order: tuple[int, ...]
) -> None:
    known, base = zoo
    banks = role_pairs(known, base, "test").read
    places = [order[:i].count(role) for i, role in enumerate(order)]
    adapters = [
        load(known, ROLES[role], "test").adapters[place]
        for role, place in zip(order, places, strict=True)
    ]
    sides = [banks[r].take(torch.tensor([p])) for r, p in zip(order, places, strict=True)]
    with torch.no_grad():
        expected = any_net(known, base)(sides)
    named = [ROLES[role] for role in order]
    merged = merge(adapters, method="roles", network=stirred, roles=named)
    assert set(expected) == set(merged)
    for module, values in dense(merged).items():
        branch = expected[module]
        assert branch.up is not None and branch.down is not None
        wanted = (branch.up[0] @ branch.down[0]).numpy()
        assert np.abs(values - wanted).max() < 2e-4 * np.abs(wanted).max()
    if len(set(order)) == 2:
        assert not near(merged, merge(adapters, method="sum"), 1e-2)


def test_it_begins_nearly_as_the_sum(zoo: tuple[Zoo, Micro2Base], tmp_path: Path) -> None:
    known, base = zoo
    net = stage.initial_net(role_pairs(known, base, "train").read)
    stage.save(tmp_path / "roles.safetensors", net, {"base_hash": base.hash})
    merged = merge(pair(known), method="roles", network=tmp_path / "roles.safetensors")
    assert near(merged, merge(pair(known), method="sum"), 0.05)


def test_other_factors_of_the_same_change_merge_alike(
    zoo: tuple[Zoo, Micro2Base], stirred: Path
) -> None:
    subject, style = pair(zoo[0])
    G = np.random.default_rng(0).normal(size=(2, 2)).astype(np.float32) + 2 * np.eye(2, dtype="f4")
    other = subject.with_(
        deltas={
            m: LowRank(d.up @ G, np.linalg.inv(G).astype("f4") @ d.down, scale=d.scale)
            for m, d in subject.items()
            if isinstance(d, LowRank)
        }
    )
    one, two = (merge([x, style], method="roles", network=stirred) for x in (subject, other))
    assert near(one, two, 1e-3)


def test_more_than_two_and_their_roles(zoo: tuple[Zoo, Micro2Base], stirred: Path) -> None:
    subject, style = pair(zoo[0])
    second = load(zoo[0], "style", "test").adapters[1]
    named = merge(
        [style, subject, second], method="roles", network=stirred, roles="style,subject,style"
    )
    turned = merge(
        [subject, style, second], method="roles", network=stirred,
        roles=["subject", "style", "style"],
    )  # fmt: skip
    assert near(named, turned)
    assert not near(named, merge([style, subject, second], method="roles", network=stirred), 1e-2)


def test_weights_count_after_the_network(zoo: tuple[Zoo, Micro2Base], stirred: Path) -> None:
    full, first, second = (
        dense(merge(pair(zoo[0]), weights, method="roles", network=stirred))
        for weights in ([1, 1], [1, 0.5], [0.5, 1])
    )
    for module in full:
        # ΔW is linear in both weights
        total = (first[module] + second[module]) / 1.5
        assert np.allclose(total, full[module], atol=1e-4 * np.abs(total).max())


def test_what_is_refused(zoo: tuple[Zoo, Micro2Base], stirred: Path, tmp_path: Path) -> None:
    subject, style = pair(zoo[0])
    for wish, words in (("style", "1 roles for 2"), ("subject,pose", "no role 'pose'")):
        with pytest.raises(LorariumError, match=words):
            merge([subject, style], method="roles", network=stirred, roles=wish)
    with pytest.raises(LorariumError, match="the same adapter"):
        merge([subject, subject], method="roles", network=stirred)
    container.save(tmp_path / "no.safetensors", {"x": np.zeros(2, "f4")})
    with pytest.raises(LorariumError, match="not a network"):
        load_roles(tmp_path / "no.safetensors")
    strange = subject.with_(metadata={"lorarium.base_hash": "f" * 64})
    with pytest.raises(LorariumError, match="trained on base ffffffffffff"):
        merge([strange, style], method="roles", network=stirred)


def small_teachers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(teachers, "STEPS", 3)
    patch.setattr(cell_teachers, "SHOWN", 2)
    patch.setattr(cell_teachers, "AT_ONCE", 2)
    patch.setattr(cell_teachers, "TEACHER", Recipe(rank=2, alpha=2.0, steps=4, batch=2, lr=5e-2))


def taught(zoo: Zoo, base: Micro2Base, split: str, folder: Path) -> stage.RolePairs:
    pairs = stage.RolePairs.of(teachers_of(zoo, base, folder / split, split, most=3))
    pairs.teachers.make()
    return pairs


def test_the_stage_learns_ships_and_merges(
    zoo: tuple[Zoo, Micro2Base], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_teachers(monkeypatch)
    known, base = zoo
    learned, other = (taught(known, base, s, tmp_path) for s in ("train", "validation"))
    words = stage.Words(base)
    net, spent = stage.train(learned, tmp_path / "run", PLAN, 5, hidden=4)
    assert spent["pictures"] == PLAN.total
    before, after = (stage.score(learned, n, words, 4) for n in (None, net))
    assert after < 0.9 * before
    asset, net = tmp_path / "roles.safetensors", net.half().float()  # as its file holds it
    # what is farther from the teachers than what is there does not ship
    loud = stage.initial_net(other.read, hidden=4)
    with torch.no_grad():
        loud.gains.add_(3.0)
    assert stage.ship(known, learned, loud, spent, asset)
    assert stage.ship(known, learned, net, spent, asset)
    assert not stage.ship(known, learned, net, spent, asset)  # no better than itself
    assert not stage.ship(known, learned, loud, spent, asset)
    _, report = merge_with_report(pair(known), method="roles", network=asset)
    assert any("by the network" in note for note in report.notes)


def test_a_merge_says_which_network_made_it(
    zoo: tuple[Zoo, Micro2Base], stirred: Path, tmp_path: Path
) -> None:
    """Two networks of one name are told apart by what they hold."""
    other = tmp_path / "other.safetensors"
    net = any_net(*zoo)
    with torch.no_grad():
        net.gains.add_(0.5)
    stage.save(other, net, {"name": "stirred", "base_hash": zoo[1].hash})
    stamps = [
        json.loads(merge(pair(zoo[0]), method="roles", network=path).metadata["lorarium.options"])
        for path in (stirred, other)
    ]
    for path, stamp in zip((stirred, other), stamps, strict=True):
        assert stamp["network"] == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert stamps[0] != stamps[1]


def test_a_run_goes_on(
    zoo: tuple[Zoo, Micro2Base], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_teachers(monkeypatch)
    learned = taught(*zoo, "train", tmp_path)
    plans = replace(PLAN, total=32 * 2), replace(PLAN, total=32 * 4)
    first, _ = stage.train(learned, tmp_path, plans[0], 5, hidden=0)
    held, _ = stage.train(learned, tmp_path, plans[1], 0, hidden=0)
    net, spent = stage.train(learned, tmp_path, plans[1], 5, hidden=0)
    assert spent["pictures"] == 128
    assert same_weights(held, first) and not same_weights(net, first)
