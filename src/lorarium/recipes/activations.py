"""What the modules of micro-1 see while it draws: the small file that `describe.effect` reads.

    python -m lorarium.recipes.activations

Means and main directions of the inputs, over pictures of train individuals by train artists at all
times, named by a style token that the base has never seen bound, as a LoRA's pictures are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lorarium import trained
from lorarium.adapter import Array
from lorarium.bases.base import Base, losses, modules, open_base
from lorarium.descriptors.effect import DIRECTIONS, KIND, asset
from lorarium.descriptors.select import role_of
from lorarium.world.scene import Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers

PICTURES, BATCH, SEED = 512, 32, 17


@torch.no_grad()
def measure(base: Base, pictures: int = PICTURES) -> dict[str, Array]:
    """By path (in, 1 + DIRECTIONS), for the modules of attention and feed-forward."""
    sums: dict[str, list[Tensor]] = {}
    network = base.networks["denoiser"]
    wanted = [m.path for m in modules(base, "all", ("denoiser",)) if role_of(m) is not None]

    def looker(path: str) -> RemovableHandle:
        def look(_: nn.Module, inputs: tuple[Tensor, ...], __: Tensor) -> None:
            x = inputs[0].flatten(0, -2).double()
            old = sums.get(path, [torch.zeros(()), torch.zeros(()), torch.zeros(())])
            more = [x.T @ x, x.sum(0), torch.tensor(float(len(x)))]
            sums[path] = [a + b.cpu() for a, b in zip(old, more, strict=True)]

        return network.get_submodule(path).register_forward_hook(look)

    hooks = [looker(path) for path in wanted]
    try:
        for x, words, t, noise in _batches(base, pictures):
            losses(base, x, base.encode(words), t, noise)
    finally:
        for hook in hooks:
            hook.remove()
    return {path: _directions(*(a.numpy() for a in moments)) for path, moments in sums.items()}


def _batches(base: Base, pictures: int) -> Iterator[tuple[Tensor, list[str], Tensor, Tensor]]:
    random = np.random.default_rng(SEED)
    noises = torch.Generator().manual_seed(SEED)
    for _ in range(-(-pictures // BATCH)):
        kinds = [str(k) for k in random.choice(SEEN_CLASSES, BATCH)]
        genres = [str(g) for g in random.choice(SEEN_GENRES, BATCH)]
        identities, hands, views = (numbers("train", BATCH, random) for _ in range(3))
        drawn = render(
            [Subject(k, n) for k, n in zip(kinds, identities, strict=True)],
            [Style(g, n) for g, n in zip(genres, hands, strict=True)],
            [View(n) for n in views],
            base.size,
        )
        rows = torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1
        x = base.to_latent(rows.to(base.device))
        t = base.sample_time((torch.arange(BATCH) + 0.5) / BATCH).to(base.device)
        noise = torch.randn(x.shape, generator=noises).to(base.device)
        yield x, [f"a {kind} in sty1" for kind in kinds], t, noise


def _directions(second: Array, first: Array, count: Array) -> Array:
    mean = first / count
    values, vectors = np.linalg.eigh(second / count - np.outer(mean, mean))
    main = (vectors * np.sqrt(values.clip(0)))[:, ::-1][:, :DIRECTIONS]
    # eigenvectors have no sign of their own
    main = main * np.where(main[np.abs(main).argmax(0), np.arange(DIRECTIONS)] < 0, -1, 1)
    return np.concatenate([mean[:, None], main], 1)


def save(directions: dict[str, Array], path: Path, base_hash: str) -> None:
    held = {name: np.ascontiguousarray(array, np.float16) for name, array in directions.items()}
    trained.save(path, KIND, held, {"base_hash": base_hash, "pictures": PICTURES})


if __name__ == "__main__":
    shipped = open_base()
    save(measure(shipped), asset(shipped.family), shipped.hash)
