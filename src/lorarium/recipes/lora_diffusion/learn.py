"""Training and sampling: from the zoo's adapters and their artists' pictures to generators.

The condition is judge A's vector, the mean over any number of pictures, as the paper's ArcFace
vector is of a face.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.adapter import Adapter
from lorarium.bases.base import open_base
from lorarium.descriptors.gram import unit
from lorarium.encoders.encode import encode
from lorarium.encoders.store import shipped
from lorarium.errors import LorariumError
from lorarium.evaluation.describe.zoo import Zoo, read_zoo
from lorarium.evaluation.synth.targets import pool
from lorarium.formats import read
from lorarium.recipes import zoo as zoo_stage
from lorarium.recipes.lora_diffusion.descent import Schedule, descend, save_whole
from lorarium.recipes.lora_diffusion.nets import CONDITIONINGS, Denoiser, Vae
from lorarium.recipes.lora_diffusion.vectors import Space, space_of
from lorarium.recipes.timebox import ENDLESS, TimeBox
from lorarium.recipes.workplace import RUNS
from lorarium.training.mint import path_of

Array = np.ndarray
RUN = Path("runs/lora_diffusion")
USUAL = {"style": "R0", "subject": "S0"}
HEADS = {"style": "style", "subject": "identity"}
PREDICTIONS = ("x0", "v")
MOST_PICTURES = 12


@dataclass(frozen=True)
class Plan:
    axes: int = 512
    latent: int = 64
    vae_steps: int = 3000
    steps: int = 6000
    batch: int = 64
    lr: float = 1e-3
    drop: float = 0.1  # share of conditions left out, for guidance
    ridge: float = 0.3  # of the linear way, against the mean spread of a condition
    seed: int = 41


@dataclass(frozen=True, eq=False)
class Examples:
    """Adapters as rows (n, k), and the conditions of each one's artist, one per picture
    (n, pictures, d)."""

    kind: str
    space: Space
    rows: Array
    conditions: Array
    adapters: tuple[Adapter, ...]


@dataclass(frozen=True, eq=False)
class Generators:
    """All that was learned for one kind."""

    kind: str
    space: Space
    linear: Array  # (d + 1, k): a condition's mean row, the last one the constant
    vae: Vae
    scale: float  # spread of the latents
    denoisers: dict[str, Denoiser]  # "x0, adalora" and so on
    examples: Examples


def run(device: str, minutes: float) -> None:
    """Train on the zoo, one kind after the other."""
    box = TimeBox(minutes)
    zoo = read_zoo(RUNS / zoo_stage.FOLDER)
    base = open_base()
    for kind in USUAL:
        folder = RUN / mark(zoo) / kind
        box.check(f"nothing more was learned of {kind}s")
        learn(examples(zoo, kind, base.size), folder, Plan(), device, box)


def due() -> bool:
    """While the zoo is whole and not learned from."""
    try:
        zoo = read_zoo(RUNS / zoo_stage.FOLDER)
    except LorariumError:
        return False
    return not zoo.missing and any(
        not (RUN / mark(zoo) / kind / "done.json").exists() for kind in USUAL
    )


def mark(zoo: Zoo) -> str:
    """A short name that changes with what is learned from."""
    ids = sorted(e.id for e in zoo.entries if e.split == "train" and e.recipe == USUAL.get(e.kind))
    return f"{zoo.base_hash[:8]}-{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:8]}"


def examples(zoo: Zoo, kind: str, size: int, axes: int = Plan.axes) -> Examples:
    """The train split's adapters of the usual recipe."""
    entries = [e for e in zoo.part(kind, "train") if e.recipe == USUAL[kind]]
    adapters = tuple(read(path_of(zoo.folder, e)) for e in entries)
    space = space_of(adapters, axes)
    judge = shipped("judge_a").net
    seen = {of: condition(judge, kind, pool(kind, of, "train", range(MOST_PICTURES), size)[0])
            for of in dict.fromkeys(e.of for e in entries)}  # fmt: skip
    conditions = np.stack([seen[e.of] for e in entries])
    return Examples(kind, space, space.encode(adapters), conditions, adapters)


def condition(judge: nn.Module, kind: str, pictures: Array) -> Array:
    """Unit vectors (n, d) of pictures."""
    (vectors,) = encode(judge, pictures, HEADS[kind])
    return unit(vectors)


def pooled(conditions: Array) -> Array:
    """One condition of several pictures' (..., n, d): the direction of their mean."""
    return unit(conditions.mean(-2))


def learn(
    e: Examples, folder: Path, plan: Plan, device: str = "cpu", box: TimeBox = ENDLESS
) -> Generators:
    """Train what is not there yet, part by part; each part is a file in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(plan.seed)
    rows = torch.from_numpy(e.rows).to(device)
    vae = Vae(rows.shape[1], min(plan.latent, rows.shape[1])).to(device)
    _once(folder / "vae.pt", vae, partial(train_vae, vae, rows, plan, box=box))
    with torch.no_grad():
        latents = vae.encode(rows)[0]
    scale = float(latents.std())
    denoisers = {}
    for predicts in PREDICTIONS:
        for conditioning in CONDITIONINGS:
            net = Denoiser(latents.shape[1], e.conditions.shape[-1], conditioning).to(device)
            z = latents / scale
            _once(
                folder / f"{predicts}-{conditioning}.pt", net,
                partial(train_denoiser, net, z, e.conditions, predicts, plan, box=box),
            )  # fmt: skip
            denoisers[f"{predicts}, {conditioning}"] = net.eval()
    (folder / "done.json").write_text(json.dumps(asdict(plan)))
    return Generators(e.kind, e.space, ridge(e, plan.ridge), vae.eval(), scale, denoisers, e)


def _once(path: Path, net: nn.Module, train: Callable[[Path], None]) -> None:
    """Fill a network from its file, or train it; `train` is told where it may stop for a while."""
    if path.exists():
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return
    unfinished = path.with_suffix(".part")
    train(unfinished)
    save_whole(net.state_dict(), path)
    unfinished.unlink(missing_ok=True)


def train_vae(vae: Vae, rows: Tensor, plan: Plan, unfinished: Path, box: TimeBox = ENDLESS) -> None:
    random = torch.Generator().manual_seed(plan.seed)
    schedule = Schedule(plan.vae_steps, plan.batch, plan.lr, plan.seed)
    descend(
        vae, lambda index: vae.loss(rows[index], random), len(rows), schedule, (random,),
        unfinished, box,
    )  # fmt: skip


def train_denoiser(
    net: Denoiser, latents: Tensor, conditions: Array, predicts: str, plan: Plan,
    unfinished: Path, box: TimeBox = ENDLESS,
) -> None:  # fmt: skip
    """Plain squared error of x0 or of v at uniform times of a cosine schedule; conditions are
    pooled over a random number of pictures."""
    random = np.random.default_rng(plan.seed)
    noise_of = torch.Generator().manual_seed(plan.seed)
    device = latents.device

    def loss(index: Tensor) -> Tensor:
        rows = conditions[index.cpu().numpy()]
        count = int(random.integers(1, rows.shape[1] + 1))
        order = random.permuted(np.arange(rows.shape[1]))[:count]
        c = torch.from_numpy(pooled(rows[:, order])).to(device)
        silent = torch.from_numpy(random.random(len(c)) < plan.drop).to(device)
        c = torch.where(silent[:, None], net.nothing, c)
        x = latents[index]
        t = torch.rand(len(x), generator=noise_of).to(device)
        noise = torch.randn(x.shape, generator=noise_of).to(device)
        alpha, sigma = level(t)
        wanted = x if predicts == "x0" else alpha * noise - sigma * x
        return F.mse_loss(net(alpha * x + sigma * noise, t, c), wanted)

    schedule = Schedule(plan.steps, plan.batch, plan.lr, plan.seed)
    descend(net, loss, len(latents), schedule, (random, noise_of), unfinished, box)


def level(t: Tensor) -> tuple[Tensor, Tensor]:
    """alpha and sigma (n, 1) of the cosine schedule."""
    angle = (t * torch.pi / 2)[:, None]
    return angle.cos(), angle.sin()


def ridge(e: Examples, weight: float) -> Array:
    """The best linear map from a pooled condition to a row: with Gaussian rows and conditions it is
    the conditional mean, and it is a combination of the training adapters."""
    c = pooled(e.conditions).astype(np.float64)
    c = np.concatenate([c, np.ones((len(c), 1))], 1)
    penalty = weight * np.trace(c.T @ c) / c.shape[1] * np.eye(c.shape[1])
    penalty[-1, -1] = 0
    return np.linalg.solve(c.T @ c + penalty, c.T @ e.rows).astype(np.float32)


@torch.no_grad()
def sample_adapters(
    g: Generators, name: str, conditions: Array, *, steps: int = 50, guidance: float = 1.5,
    seed: int = 0,
) -> list[Adapter]:  # fmt: skip
    """One adapter per pooled condition (n, d), by deterministic steps from noise."""
    net = g.denoisers[name]
    device = net.nothing.device
    c = torch.from_numpy(conditions).float().to(device)
    size = net.enter.in_features
    x = torch.randn(len(c), size, generator=torch.Generator().manual_seed(seed)).to(device)
    nothing = net.nothing.expand(len(c), -1)
    for i in range(steps):
        now, then = (torch.full((len(c),), 0.999 - 0.999 * j / steps, device=device)
                     for j in (i, i + 1))  # fmt: skip
        alpha, sigma = level(now)
        prediction, plain = net(x, now, c), net(x, now, nothing)
        prediction = plain + guidance * (prediction - plain)
        x0 = prediction if name.startswith("x0") else alpha * x - sigma * prediction
        noise = (x - alpha * x0) / sigma
        after, left = level(then)
        x = after * x0 + left * noise
    return g.space.decode(g.vae.decoder(x * g.scale).cpu().numpy())


def linear(g: Generators, conditions: Array) -> list[Adapter]:
    """The conditional mean of each pooled condition (n, d)."""
    inputs = np.concatenate([conditions, np.ones((len(conditions), 1), np.float32)], 1)
    return g.space.decode(inputs @ g.linear)


@torch.no_grad()
def reconstructed(g: Generators, rows: Array) -> Array:
    """Rows through the VAE and back."""
    device = g.denoisers["x0, adanorm"].nothing.device
    mean, _ = g.vae.encode(torch.from_numpy(rows).to(device))
    return g.vae.decoder(mean).cpu().numpy()


def nearest(g: Generators, adapters: Sequence[Adapter]) -> Array:
    """Of each adapter the cosine with the nearest training row: 1 is a copy."""
    rows = unit(g.space.encode(adapters))
    return (rows @ unit(g.examples.rows).T).max(1)
