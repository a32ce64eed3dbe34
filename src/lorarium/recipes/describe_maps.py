"""What is learned from effects: how much roles count, axes that forget recipes, and linear maps
that bring adapters, pictures and words into one space. All are solved or have two dozen numbers:
hundreds of adapters are too few for networks, which learn them by heart.
"""

from __future__ import annotations

import numpy as np
import torch

from lorarium.adapter import Array
from lorarium.descriptors.gram import unit
from lorarium.recipes.describe_data import SLOTS, Examples, TextExamples, by_artist

WIDTH, SHARED = 128, 64
RIDGE, WORD_RIDGE = 1.0, 1.0
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
        likelihood = near.masked_fill(~same, -1e9).logsumexp(1)[known]
        loss = 1e-2 * (logs - logs.mean()).square().mean() - likelihood.mean()
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


def aligned_maps(x: Array, artist: Array, pictures: Array, texts: TextExamples) -> Weights:
    """Into the space of what judge A sees of an artist, its main axes made more alike: pictures as
    they are, adapters (x, n by d) and words by ridge regression on it.

    `pictures` (artists, n, f) are of the artists of x; `worded` of artists without adapters too.
    """
    seen = pictures.mean(1).astype(np.float64)
    mean = seen.mean(0)
    _, sizes, axes = np.linalg.svd(seen - mean, full_matrices=False)
    nonzero = sizes[:SHARED] > 1e-6 * sizes[0]
    W = axes[:SHARED][nonzero] / np.sqrt(sizes[:SHARED][nonzero])[:, None]
    adapters = _ridge(x, (seen[artist] - mean) @ W.T, RIDGE)
    bags = np.concatenate([texts.bags, np.ones((len(texts.bags), 1))], 1)
    looks = (texts.seen - mean) @ W.T
    words = _ridge(bags, looks, WORD_RIDGE)
    table, bias = words[:, :-1].T, words[:, -1]
    return {
        "adapters.map": adapters, "pictures.map": W, "pictures.mean": mean,
        "words.table": table, "words.bias": bias,
        "words.hues": hues_of_words(texts, looks, table, bias),
    }  # fmt: skip


def hues_of_words(texts: TextExamples, looks: Array, table: Array, bias: Array) -> Array:
    """The steps of all colours, from artists that look so (n, d)."""
    artists = np.flatnonzero(texts.genre >= 0)
    if not len(artists):
        return np.zeros((texts.hues.shape[1], looks.shape[1]))
    genre = texts.genre[artists]
    first = artists[np.unique(genre, return_index=True)[1]]
    genre_words = unit(texts.bags[first] @ table + bias)
    return hue_steps(looks[artists], texts.hues[artists], genre, genre_words)


def hue_steps(x: Array, hues: Array, genre: Array, genre_words: Array) -> Array:
    """(colours, d) steps of length one that colours are inside a genre: how vectors x (n, d) of
    artists go with their hues (n, colours), both less the mean of their genre, without the
    directions in which the words `said` for genres differ."""
    count = int(genre.max()) + 1
    x = x - by_artist(x, genre, count)[genre]
    hues = hues - by_artist(hues, genre, count)[genre]
    spread = hues.std(0)
    hues = np.divide(hues, spread, out=np.zeros_like(hues), where=spread > 0)
    _, sizes, axes = np.linalg.svd(genre_words - genre_words.mean(0), full_matrices=False)
    axes = axes[sizes > 1e-6 * sizes[0]]
    steps = hues.T @ x
    return unit(steps - steps @ axes.T @ axes)


def _ridge(x: Array, y: Array, ridge: float) -> Array:
    """(k, d) with y about x mapᵀ; by whichever side is shorter."""
    x = x.astype(np.float64)
    if len(x) < x.shape[1]:
        return np.linalg.solve(x @ x.T + ridge * np.eye(len(x)), y).T @ x
    return np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y).T


def _axes(x: Array) -> tuple[Array, Array]:
    """Main directions (m, d) of rows and the sums of squares along them."""
    values, vectors = np.linalg.eigh(x @ x.T)
    alive = values > 1e-9 * max(values[-1], 1e-30)
    values, vectors = values[alive][::-1], vectors[:, alive][:, ::-1]
    return (vectors / np.sqrt(values)).T @ x, values
