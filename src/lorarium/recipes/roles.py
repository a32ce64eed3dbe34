"""The stage `roles`: Lorarium's merger, learned from what teachers of true cells answered on their
way to pictures of train individuals in the hands of train artists."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lorarium import trained
from lorarium.bases.base import open_base
from lorarium.bases.rounded import rounded
from lorarium.encoders.training import FitConfig, Loss, Losses, fit
from lorarium.errors import LorariumError
from lorarium.evaluation.describe.zoo import Zoo
from lorarium.mergers.roles import ASSET, KIND, load_roles
from lorarium.recipes.cell_teachers import CELLS, TEACHER, Teachers, teachers_of
from lorarium.recipes.merge import minted
from lorarium.recipes.synth_loss import Words
from lorarium.recipes.teachers import missed
from lorarium.recipes.timebox import TimeBox
from lorarium.recipes.workplace import Workplace
from lorarium.training.distil import DistillationSet
from lorarium.training.manifest import Manifest
from lorarium.training.merger import AdapterBatch, Member
from lorarium.training.roles import RoleBank, RoleNet, RolesConfig
from lorarium.world.mark import world_mark

RUN = "roles"
PAIRS, PLACES = 8, 4  # of a step
PLAN = FitConfig(
    total=40_000, batch=PAIRS * PLACES, adam=5e-3, decay=0.6, warmup=20, ema=0.99, clip=1.0, seed=41
)
KNOWN = 0.2  # cells of the validation split, as a share of those learned from
ASKED = 24  # steps' worth of places at which a network is tried


@dataclass(frozen=True, eq=False)
class RolePairs:
    """Teachers, and the adapters of either role as a network reads them."""

    teachers: Teachers
    read: tuple[RoleBank, RoleBank]

    @staticmethod
    def of(teachers: Teachers) -> RolePairs:
        base, nothing = teachers.base, DistillationSet(torch.zeros(0), ())
        banks = [
            RoleBank(role, AdapterBatch(base, [Member(adapter, nothing) for _, adapter in side]))
            for role, side in enumerate(teachers.sides)
        ]
        return RolePairs(teachers, (banks[0], banks[1]))

    def losses(
        self, net: RoleNet | None, words: Words, random: np.random.Generator,
        pairs: int = PAIRS, places: int = PLACES,
    ) -> Tensor:  # fmt: skip
        """How far what is merged is from its teachers, at each place of a batch."""
        met, asked = self.teachers.batch(random, pairs, places)
        rows = [(role, [pair[role] for pair in met]) for role in range(2)]
        rows += self.teachers.others(met, random)
        net = net or RoleNet(RolesConfig((), 0))  # which reads nothing: the sum
        merged = net([self.read[role].take(torch.tensor(some)) for role, some in rows])
        return missed(self.teachers.base, merged, asked, words(asked.prompts))


def initial_net(read: Sequence[RoleBank], **numbers: Any) -> RoleNet:
    """A network that has learned nothing, for the modules that either role has."""
    rows, usual = [], []
    for module, branch in read[0].adapters.branches.items():
        other = read[1].reading.get(module)
        if module.part == "denoiser" and other is not None:
            assert branch.up is not None and branch.down is not None
            rows.append((module.part, module.path, branch.up.shape[1], branch.down.shape[2]))
            norms = [read[0].reading[module].norm, other.norm]
            usual.append(torch.stack([n[n > 0].log().mean().exp() for n in norms]))
    return RoleNet(RolesConfig(tuple(rows), **numbers), torch.stack(usual))


def inherit(net: RoleNet, past: Path) -> bool:
    """Take the numbers of a file, if there is one for these modules."""
    try:
        known = load_roles(past)
    except LorariumError:
        return False
    shapes = {k: tuple(v.shape) for k, v in net.state_dict().items()}
    fits = list(known.place) == list(net.place) and shapes == {
        k: v.shape for k, v in known.tensors.items()
    }
    if fits:
        net.load_state_dict({k: torch.from_numpy(v).float() for k, v in known.tensors.items()})
    return fits


@torch.no_grad()
def score(role_pairs: RolePairs, net: RoleNet | None, words: Words, steps: int = ASKED) -> float:
    """The mean distance from the teachers, at fixed places."""
    losses = [
        role_pairs.losses(net, words, np.random.default_rng([3, number])) for number in range(steps)
    ]
    return float(torch.cat(losses).mean())


def train(
    role_pairs: RolePairs, folder: Path, plan: FitConfig, minutes: float, *, by_time: bool = True,
    **numbers: Any,
) -> tuple[RoleNet, dict[str, float]]:  # fmt: skip
    """Go on with the run in a folder."""
    base = role_pairs.teachers.base
    words, pairs = Words(base), max(1, plan.batch // PLACES)
    torch.manual_seed(plan.seed)
    net = initial_net(role_pairs.read, **numbers)

    def begin(step: int) -> Loss:
        now = step

        def loss(net: nn.Module) -> Losses:
            nonlocal now
            assert isinstance(net, RoleNet)
            random = np.random.default_rng([plan.seed, now])
            now += 1
            return {"loss": role_pairs.losses(net, words, random, pairs).mean()}

        return loss

    with rounded(base):
        fitted, spent = fit(folder, net, begin, plan, minutes, str(base.device), by_time=by_time)
    assert isinstance(fitted, RoleNet)
    return fitted, spent


def run(
    place: Workplace, minutes: float, todo: Manifest | None = None, plan: FitConfig = PLAN,
    batch: int | None = None, cells: int = CELLS,
) -> None:  # fmt: skip
    """Go on with the run on the adapters of the stage `merge`; ship what wins on validation."""
    base, box = place.base, TimeBox(minutes)
    zoo = minted(place, minutes, todo, batch)
    folder, sides = place.runs / RUN, []
    for split, count in (("validation", max(2, round(KNOWN * cells))), ("train", cells)):
        teachers = teachers_of(zoo, base, folder / f"walks-{split}", split, count)
        teachers.make(box)
        sides.append(RolePairs.of(teachers))
    known, learned = sides
    net, spent = train(learned, folder, plan, box.left, by_time=not place.to_the_end)
    ship(zoo, known, net, spent, place.asset(ASSET), plan)


def due() -> bool:
    """While none ships, or it does not fit the base."""
    try:
        return load_roles(ASSET).card.get("base_hash") != open_base().hash
    except LorariumError:
        return True


def ship(
    zoo: Zoo, known: RolePairs, net: RoleNet, spent: Mapping[str, float], asset: Path = ASSET,
    plan: FitConfig = PLAN,
) -> bool:  # fmt: skip
    """Write the asset if it is nearer to teachers of validation cells than what is there. Whether
    merges by it are worth having `examine` and voters say, not this distance."""
    base = known.teachers.base
    words, before = Words(base), initial_net(known.read, hidden=net.config.hidden)
    rivals = {"roles": net, "sum": None} | ({"before": before} if inherit(before, asset) else {})
    with rounded(base):
        scores = {name: round(score(known, one, words), 6) for name, one in rivals.items()}
    print(f"validation: {scores}", flush=True)
    if scores["roles"] >= scores.get("before", float("inf")):
        print("no better than what is there: nothing ships", flush=True)
        return False
    card: dict[str, Any] = {
        "name": "roles",
        "data": "adapters of train individuals and train artists (merge.toml), and what adapters "
        "answer that were trained on true pictures of the one in the hand of the other",
        "family": base.family, "base_hash": base.hash, "world": world_mark(), "zoo": zoo.name,
        "recipe": asdict(plan) | {"teacher": asdict(TEACHER)}, "spent": spent,
        "licence": "CC0-1.0", "scores": {"validation": scores},
    }  # fmt: skip
    save(asset, net, card)
    return True


def save(path: Path, net: RoleNet, card: Mapping[str, Any]) -> None:
    """The file that `merge --method roles` reads."""
    modules = json.dumps([[m.part, m.path] for m in net.place])
    trained.save(path, KIND, trained.half_weights(net), card, {"modules": modules})
