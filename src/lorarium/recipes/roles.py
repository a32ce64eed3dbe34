"""The stage `roles`: Lorarium's merger, on true pictures of train subjects in train styles."""

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
from lorarium.bases.base import Base, open_base
from lorarium.bases.branches import applied
from lorarium.bases.rounded import rounded
from lorarium.encoders.training import FitConfig, Loss, Losses, fit
from lorarium.errors import LorariumError
from lorarium.evaluation.describe.zoo import Zoo, load, read_zoo
from lorarium.evaluation.judges import load_judge
from lorarium.mergers.roles import ASSET, KIND, ROLES, load_roles
from lorarium.recipes.merge import minted
from lorarium.recipes.perceptual import PerceptualLoss
from lorarium.recipes.roles_drawn import PassLoss, both_rate
from lorarium.recipes.rollout import Rollout
from lorarium.recipes.synth_loss import Words
from lorarium.recipes.timebox import TimeBox
from lorarium.recipes.workplace import Workplace
from lorarium.recipes.zoo import FOLDER as ZOO
from lorarium.training.distil import DistillationSet
from lorarium.training.manifest import Entry, Manifest
from lorarium.training.merger import AdapterBatch, Member
from lorarium.training.roles import RoleBank, RoleNet, RolesConfig
from lorarium.world.mark import world_mark
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, numbers

RUN = "roles"
PLAN = FitConfig(
    total=400_000, batch=32, adam=5e-3, decay=0.6, warmup=20, ema=0.99, clip=1.0, seed=41
)
PAIRS, EACH = 8, 4  # of a step, and true pictures of each pair
SHARE = 1.0  # of what judge A sees in predictions
DRAWN, PICTURES = 0.1, 2  # share of what it says of whole pictures, and how many of each pair
MORE = ("R0", "R5", "S0")  # of the stage `zoo`: R2 and S2 stay unseen, the rest adapts less
ALONE = 0.15  # share of a pair's pictures that ask for one of the two only


@dataclass(frozen=True, eq=False)
class RolePairs:
    """Adapters of either role with who they are."""

    base: Base
    entries: tuple[Sequence[Entry], Sequence[Entry]]
    read: tuple[RoleBank, RoleBank]
    split: str

    @staticmethod
    def of(base: Base, sides: Sequence[Sequence[tuple[Entry, Member]]], split: str) -> RolePairs:
        entries = tuple([entry for entry, _ in side] for side in sides)
        banks = [AdapterBatch(base, [member for _, member in side]) for side in sides]
        read = tuple(RoleBank(r, bank) for r, bank in enumerate(banks))
        return RolePairs(base, entries, read, split)  # type: ignore[arg-type]

    def drawn(
        self, pairs: Sequence[tuple[int, int]], each: int, alone: float, random: np.random.Generator
    ) -> tuple[Tensor, list[str]]:
        """Pictures of each pair (pairs * each, 3, s, s) and their prompts."""
        subjects: list[Subject] = []
        styles: list[Style] = []
        prompts: list[str] = []
        count = len(pairs) * each
        strange = numbers(self.split, count, random)
        for i, j in pairs:
            a, b = self.entries[0][i], self.entries[1][j]
            for _ in range(each):
                subject, style = Subject(*a.of), Style(*b.of)
                words = a.token + " " + a.of[0], b.token
                if random.random() < alone:
                    if random.random() < 0.5:
                        style, words = Style(PHOTO, strange[len(prompts)]), (words[0], PHOTO)
                    else:
                        kind = str(random.choice(SEEN_CLASSES))
                        subject, words = Subject(kind, strange[len(prompts)]), (kind, words[1])
                subjects.append(subject)
                styles.append(style)
                prompts.append(f"a {words[0]} in {words[1]}")
        views = [View(n) for n in numbers(self.split, count, random)]
        pictures = torch.from_numpy(render(subjects, styles, views, self.base.size))
        x = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
        return self.base.to_latent(x.to(self.base.device)), prompts

    def losses(
        self, net: RoleNet | None, pairs: Sequence[tuple[int, int]], each: int, words: Words,
        random: np.random.Generator, alone: float, perceptual: PerceptualLoss,
    ) -> Tensor:  # fmt: skip
        """Losses on true pictures, (pairs, each)."""
        x, prompts = self.drawn(pairs, each, alone, random)
        base = self.base
        share = (np.arange(each) + random.random((len(pairs), each))) / each
        t = base.sample_time(torch.from_numpy(share).float().clamp(1e-4, 1 - 1e-4).flatten())
        noise = torch.from_numpy(random.standard_normal(x.shape, np.float32))
        index = torch.tensor(pairs)
        sides = [read.take(index[:, r]) for r, read in enumerate(self.read)]
        net = net or RoleNet(RolesConfig((), 0))  # which reads nothing: the sum
        with applied(base, net(sides)):
            return perceptual(x, words(prompts), t, noise).view(len(pairs), each)


def inherit(net: RoleNet, past: Path) -> bool:
    """Begin with the numbers of a file, if there is one for these modules."""
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


def initial_net(role_pairs: RolePairs, **numbers: Any) -> RoleNet:
    """A network that has learned nothing, for the modules that either role has."""
    rows, usual = [], []
    for module, branch in role_pairs.read[0].adapters.branches.items():
        other = role_pairs.read[1].reading.get(module)
        if module.part == "denoiser" and other is not None:
            assert branch.up is not None and branch.down is not None
            rows.append((module.part, module.path, branch.up.shape[1], branch.down.shape[2]))
            norms = [role_pairs.read[0].reading[module].norm, other.norm]
            usual.append(torch.stack([n[n > 0].log().mean().exp() for n in norms]))
    return RoleNet(RolesConfig(tuple(rows), **numbers), torch.stack(usual))


@torch.no_grad()
def score(
    role_pairs: RolePairs, net: RoleNet | None, words: Words, *, share: float = SHARE,
    pairs: int = 64, seed: int = 3,
) -> float:  # fmt: skip
    """Mean loss on true pictures of fixed pairs."""
    perceptual = PerceptualLoss(role_pairs.base, share)
    n, m = (len(entries) for entries in role_pairs.entries)
    order = np.random.default_rng(seed).permutation(n * m)[:pairs]
    losses = []
    for k in range(0, len(order), PAIRS):
        batch = [(int(o) // m, int(o) % m) for o in order[k : k + PAIRS]]
        random = np.random.default_rng([seed, k])
        losses.append(role_pairs.losses(net, batch, EACH, words, random, 0.0, perceptual))
    return float(torch.cat(losses).mean())


def train(
    role_pairs: RolePairs, known: RolePairs, folder: Path, plan: FitConfig, minutes: float, *,
    alone: float = ALONE, share: float = SHARE, drawn: float = DRAWN, watch: int = 100,
    past: Path | None = None, by_time: bool = True, **numbers: Any,
) -> tuple[RoleNet, dict[str, float]]:  # fmt: skip
    """Go on with the run in a folder, or with a network that was shipped."""
    base = role_pairs.base
    folder.mkdir(parents=True, exist_ok=True)
    words, perceptual, judge = Words(base), PerceptualLoss(base, share), load_judge("a")
    pass_loss = PassLoss(Rollout(base), judge, role_pairs.entries)
    torch.manual_seed(plan.seed)
    net = initial_net(role_pairs, **numbers)
    if past is not None:
        inherit(net, past)

    def begin(step: int) -> Loss:
        now = step

        def loss(net: nn.Module) -> Losses:
            nonlocal now
            assert isinstance(net, RoleNet)
            if now % watch == 0:
                seen = round(score(known, net, words, share=share), 5)
                rate = both_rate(base, known.entries, known.read, net, judge)
                report = {"step": now, "validation": {"loss": seen, "both": rate}}
                print(json.dumps(report), flush=True)
                with open(folder / "validation.jsonl", "a") as log:
                    log.write(json.dumps(report) + "\n")
            random = np.random.default_rng([plan.seed, now])
            noise = torch.Generator().manual_seed(plan.seed * 1_000_003 + now)
            now += 1
            n, m = (len(entries) for entries in role_pairs.entries)
            count, each = plan.batch // EACH or 1, min(EACH, plan.batch)
            pairs = [(int(random.integers(n)), int(random.integers(m))) for _ in range(count)]
            denoising = role_pairs.losses(net, pairs, each, words, random, alone, perceptual)
            losses = {"loss": denoising.mean()}
            if drawn:
                index = torch.tensor(pairs)
                sides = [read.take(index[:, r]) for r, read in enumerate(role_pairs.read)]
                losses["both"] = drawn * pass_loss(net, sides, pairs, PICTURES, words, noise).mean()
            return losses

        return loss

    with rounded(base):
        fitted, spent = fit(folder, net, begin, plan, minutes, str(base.device), by_time=by_time)
    assert isinstance(fitted, RoleNet)
    return fitted, spent


def run(
    place: Workplace, minutes: float, todo: Manifest | None = None, plan: FitConfig = PLAN,
    batch: int | None = None,
) -> None:  # fmt: skip
    """Go on with the run on the adapters of the stage `merge`; ship what wins on validation."""
    base, box = place.base, TimeBox(minutes)
    zoo = minted(place, minutes, todo, batch)
    # of the stage `zoo`, if that ran
    core = place.runs / ZOO
    more = [read_zoo(core)] if (core / "manifest.json").is_file() else []
    learned, known = role_pairs_of(zoo, base, "train", more), role_pairs_of(zoo, base, "validation")
    box.check(f"{len(zoo.entries)} adapters are minted, nothing was learned from them")
    asset = place.asset(ASSET)
    net, spent = train(
        learned, known, place.runs / RUN, plan, box.left, past=asset, by_time=not place.to_the_end
    )
    ship(zoo, base, known, net, spent, asset)


def due() -> bool:
    """While none ships, or it does not fit the base."""
    try:
        return load_roles(ASSET).card.get("base_hash") != open_base().hash
    except LorariumError:
        return True


def role_pairs_of(zoo: Zoo, base: Base, split: str, more: Sequence[Zoo] = ()) -> RolePairs:
    """The adapters of a split, and of more zoos those of some recipes; `photo` is what subjects
    come in, and no style of its own."""
    sides = []
    for kind in ROLES:
        side: list[tuple[Entry, Member]] = []
        for source in (zoo, *more):
            corpus = load(source, kind, split)
            side += [
                (entry, Member(adapter, DistillationSet(torch.zeros(0), ())))
                for entry, adapter in zip(corpus.entries, corpus.adapters, strict=True)
                if entry.of[0] != PHOTO and (source is zoo or entry.recipe in MORE)
            ]
        sides.append(side)
    return RolePairs.of(base, sides, split)


def ship(
    zoo: Zoo,
    base: Base,
    known: RolePairs,
    net: RoleNet,
    spent: dict[str, float],
    asset: Path = ASSET,
) -> bool:
    """Write the asset if judge A passes more of what it draws for validation pairs."""
    words, judge = Words(base), load_judge("a")
    before = initial_net(known, hidden=net.config.hidden)
    there = inherit(before, asset)
    past = load_roles(asset).card.get("spent") if there else None
    scores = {name: round(score(known, n, words), 5) for name, n in (("roles", net), ("sum", None))}
    rates = [
        both_rate(base, known.entries, known.read, n, judge, pictures=8) for n in (net, before)
    ]
    print(json.dumps({"validation": scores, "both, this and what is there": rates}), flush=True)
    card: dict[str, Any] = {
        "name": "roles",
        "data": "true pictures of train individuals in the hands of train artists, and adapters of "
        "both (merge.toml)",
        "family": base.family, "base_hash": base.hash, "world": world_mark(), "zoo": zoo.name,
        "recipe": asdict(PLAN) | {"alone": ALONE, "judged": SHARE, "drawn": DRAWN},
        "spent": spent | ({"before": past} if past else {}),
        "licence": "CC0-1.0",
        "scores": {"validation": scores, "both by judge A": rates[0]},
    }  # fmt: skip
    if there and rates[0] <= rates[1]:
        print("no better than what is there: nothing ships", flush=True)
        return False
    save(asset, net, card)
    return True


def save(path: Path, net: RoleNet, card: Mapping[str, Any]) -> None:
    """The file that `merge --method roles` reads."""
    modules = json.dumps([[m.part, m.path] for m in net.place])
    trained.save(path, KIND, trained.half_weights(net), card, {"modules": modules})
