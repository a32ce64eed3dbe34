"""The learned descriptors as they are trained: a projection that forgets recipes, and towers."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.adapter import Array
from lorarium.recipes.describe_data import SLOTS, Examples, by_artist, subset
from lorarium.world.words import VOCABULARY

WIDTH, HIDDEN, SHARED = 128, 256, 64
NUISANCE = 64  # axes
REGRESS = 1e-2  # ridge of the regression on recipe facts
ROLE_STEPS = 250
Weights = dict[str, Array]


def role_weights(examples: Examples) -> Array:
    """(SLOTS,) how much each role's part of an effect is to count: neighbourhood components
    analysis (Goldberger et al. 2005) with one number per role."""
    x = torch.from_numpy(examples.vectors).unflatten(1, (SLOTS, -1))
    x = x - x.mean(0)
    grams = torch.einsum("asd,bsd->sab", x, x)
    artist = torch.from_numpy(examples.artist)
    itself = torch.eye(len(x), dtype=torch.bool)
    same = (artist[:, None] == artist) & ~itself
    known = same.any(1)
    logs = torch.zeros(SLOTS, requires_grad=True)
    heat = torch.tensor(2.5, requires_grad=True)
    adam = torch.optim.Adam([logs, heat], lr=0.05)
    for _ in range(ROLE_STEPS):
        gram = torch.einsum("s,sab->ab", logs.exp(), grams)
        size = gram.diagonal().clamp(min=1e-12).sqrt()
        near = (gram / size[:, None] / size * heat.exp()).masked_fill(itself, -1e9).log_softmax(1)
        found = near.masked_fill(~same, -1e9).logsumexp(1)[known]
        loss = 1e-2 * (logs - logs.mean()).square().mean() - found.mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    weights = (logs / 2).exp().detach().numpy()
    return weights / weights.max()


def projection(examples: Examples, shrink: float) -> Weights:
    """Axes that tell artists apart and not the adapters of one (linear discriminants).

    What facts of the recipe say linearly within artists is taken away; the rest of the spread
    within artists is whitened with `shrink` times its mean variance added; then the main axes of
    the artists' means are kept. Everything is in the span of the examples.
    """
    x, artist, count = examples.vectors.astype(np.float64), examples.artist, examples.artists
    f_mean = examples.facts.mean(0)
    spread = examples.facts.std(0)
    f_scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 1e-4)
    f = ((examples.facts - f_mean) * f_scale).astype(np.float64)
    f_within = f - by_artist(f, artist, count)[artist]
    x_within = x - by_artist(x, artist, count)[artist]
    square = f_within.T @ f_within + REGRESS * len(f) * np.eye(f.shape[1])
    R = np.linalg.solve(square, f_within.T @ x_within)  # (facts, d)
    mean = x.mean(0)
    clean = x - mean - f @ R
    means = by_artist(clean, artist, count)
    within = clean - means[artist]
    V, variance = _axes(within)
    variance = variance / max(len(x) - count, 1)
    ridge = shrink * float(variance.mean()) + 1e-12
    keep = 1 - np.sqrt(ridge / (ridge + variance))

    def whitened(y: Array) -> Array:
        return (y - (y @ V.T * keep) @ V) / np.sqrt(ridge)

    G, _ = _axes(whitened(means - means.mean(0)))
    P = whitened(G[:WIDTH])
    P /= np.sqrt(np.square(means @ P.T).mean())
    return {
        "probe.mean": mean, "probe.project": P, "probe.regress": P @ R.T,
        "facts.mean": f_mean, "facts.scale": f_scale,
        "nuisance.axes": V[:NUISANCE], "nuisance.keep": keep[:NUISANCE],
    }  # fmt: skip


def place(axes: Weights, x: Array, facts: Array) -> Array:
    """Coordinates (n, k) of sketches and their facts."""
    f = (facts - axes["facts.mean"]) * axes["facts.scale"]
    return (x - axes["probe.mean"]) @ axes["probe.project"].T - f @ axes["probe.regress"].T


class CrossFitted:
    """Coordinates of train artists as if they were new: from axes that were found without them.

    Axes separate the artists they were found on far better than others; a network trained on such
    coordinates would never meet their like again. Each fold's axes are turned (least squares)
    into those of all examples.
    """

    def __init__(self, examples: Examples, axes: Weights, shrink: float, folds: int = 4) -> None:
        self.fold = examples.artist % folds
        self.parts = []
        for number in range(folds):
            kept = self.fold != number
            part = projection(subset(examples, kept), shrink)
            seen = examples.vectors[kept], examples.facts[kept]
            turn = np.linalg.lstsq(place(part, *seen), place(axes, *seen), rcond=None)[0]
            for name in ("probe.project", "probe.regress"):
                part[name] = turn.T @ part[name]
            self.parts.append({k: np.asarray(v, np.float32) for k, v in part.items()})

    @property
    def width(self) -> int:
        return len(self.parts[0]["probe.project"])

    def __call__(self, rows: Array, x: Array, facts: Array) -> Array:
        """(n, k) of vectors that belong to these rows of the examples."""
        found = np.zeros((len(rows), self.width), np.float32)
        for number, part in enumerate(self.parts):
            mine = self.fold[rows] == number
            found[mine] = place(part, x[mine], facts[mine])
        return found


def _axes(x: Array) -> tuple[Array, Array]:
    """Main directions (m, d) of rows and the sums of squares along them."""
    values, vectors = np.linalg.eigh(x @ x.T)
    alive = values > 1e-9 * max(values[-1], 1e-30)
    values, vectors = values[alive][::-1], vectors[:, alive][:, ::-1]
    return (vectors / np.sqrt(values)).T @ x, values


class Tower(nn.Module):
    """Two linear layers on numbers brought to mean 0 and spread 1, as `learned.layers`."""

    def __init__(self, size: int, hidden: int, out: int, *, nothing: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(size, hidden), nn.Linear(hidden, out)
        if nothing:
            nn.init.zeros_(self.second.weight)
            nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(F.relu(self.first(F.layer_norm(x, x.shape[-1:]))))

    def weights(self, name: str) -> Weights:
        layers = {"in": self.first, "out": self.second}
        found = {f"{name}.{k}": v.weight for k, v in layers.items()}
        found |= {f"{name}.{k}_bias": v.bias for k, v in layers.items()}
        return {k: v.detach().cpu().numpy() for k, v in found.items()}


class ProbeNet(nn.Module):
    """A correction of the coordinates that starts at nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.tower = Tower(width, HIDDEN, width, nothing=True)
        self.scale = nn.Parameter(torch.tensor(2.3))
        self.bias = nn.Parameter(torch.tensor(-5.0))

    def forward(self, z: Tensor) -> Tensor:
        return z + self.tower(z)


class AlignedNet(nn.Module):
    """Towers from the probe's vector, from picture features and from words into one space."""

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.adapters = Tower(width, HIDDEN, SHARED)
        self.pictures = Tower(features, HIDDEN, SHARED)
        self.table = nn.EmbeddingBag(len(VOCABULARY), SHARED, mode="sum", padding_idx=0)
        self.words = Tower(SHARED, HIDDEN // 2, SHARED)
        self.scale = nn.Parameter(torch.tensor(2.3))
        nn.init.normal_(self.table.weight, std=0.3)

    def forward(self, adapters: Tensor, pictures: Tensor, words: Tensor) -> tuple[Tensor, ...]:
        """Unit vectors of each."""
        return (
            F.normalize(self.adapters(adapters)),
            F.normalize(self.pictures(pictures)),
            F.normalize(self.words(self.table(words))),
        )

    def weights(self) -> Weights:
        table = {"words.table": self.table.weight.detach().cpu().numpy()}
        towers = {"adapters": self.adapters, "pictures": self.pictures, "words": self.words}
        return table | {k: v for n, t in towers.items() for k, v in t.weights(n).items()}
