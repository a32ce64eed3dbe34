"""The stage `inside`: what a base's modules see while it draws, which `describe.effect` reads.

Means and main directions of the inputs, over pictures of train individuals by train artists at all
times, named by a style token that the base has never seen bound, as a LoRA's pictures are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lorarium import trained
from lorarium.adapter import Array
from lorarium.bases.base import Base, losses, modules
from lorarium.descriptors.effect import ASSET, DIRECTIONS, KIND
from lorarium.descriptors.select import role_of
from lorarium.recipes.timebox import ENDLESS, TimeBox
from lorarium.recipes.workplace import Workplace
from lorarium.trained import SAVED_EVERY
from lorarium.world.scene import Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers

PICTURES, BATCH, SEED = 512, 32, 17
# a larger picture has more places, and more of it fits nowhere
SMALL, LARGE_PICTURES, LARGE_BATCH = 64, 128, 4
Moments = tuple[Tensor, Tensor, Tensor]  # sums of x xᵀ and of x, and how many x


@torch.no_grad()
def measure(
    base: Base, kept: Path | None = None, box: TimeBox = ENDLESS, pictures: int | None = None
) -> dict[str, Array]:
    """By path (in, 1 + DIRECTIONS), for the modules of attention and feed-forward. What was summed
    up is kept there now and then."""
    sums: dict[str, Moments] = {}
    usual, batch = amounts(base)
    pictures = pictures or usual
    network = base.networks["denoiser"]
    wanted = [m.path for m in modules(base, "all", ("denoiser",)) if role_of(m) is not None]
    begun = 0
    if kept is not None and kept.exists():
        begun = _load(kept, sums)

    def looker(path: str) -> RemovableHandle:
        def look(_: nn.Module, inputs: tuple[Tensor, ...], __: Tensor) -> None:
            x = inputs[0].flatten(0, -2).double()
            zero = torch.zeros(())
            second, first, count = sums.get(path, (zero, zero, zero))
            sums[path] = second + (x.T @ x).cpu(), first + x.sum(0).cpu(), count + len(x)

        return network.get_submodule(path).register_forward_hook(look)

    hooks = [looker(path) for path in wanted]
    saved = time.monotonic()
    try:
        for i, draw in enumerate(_batches(base, pictures, batch)):
            if i < begun:
                continue
            if kept is not None and (time.monotonic() - saved > SAVED_EVERY or not box.left):
                _keep(kept, sums, i)
                saved = time.monotonic()
            box.check(f"{i * batch} of {pictures} pictures were seen")
            x, words, t, noise = draw()
            losses(base, x, base.encode(words), t, noise)
    finally:
        for hook in hooks:
            hook.remove()
    return {path: _directions(*(a.numpy() for a in moments)) for path, moments in sums.items()}


def amounts(base: Base) -> tuple[int, int]:
    """How many pictures are looked at, and how many at once."""
    return (PICTURES, BATCH) if base.size <= SMALL else (LARGE_PICTURES, LARGE_BATCH)


def _keep(path: Path, sums: dict[str, Moments], batches: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    arrays = {f"{i}{name}": a.numpy() for name, rows in sums.items() for i, a in enumerate(rows)}
    np.savez(beside, batches=batches, **arrays)  # type: ignore[arg-type]
    beside.rename(path)


def _load(path: Path, sums: dict[str, Moments]) -> int:
    with np.load(path, allow_pickle=False) as held:
        for key in held.files:
            if key.startswith("0"):
                name = key[1:]
                rows = (torch.from_numpy(held[f"{i}{name}"]) for i in range(3))
                sums[name] = tuple(rows)  # type: ignore[assignment]
        return int(held["batches"])


Drawn = tuple[Tensor, list[str], Tensor, Tensor]


def _batches(base: Base, pictures: int, batch: int) -> Iterator[Callable[[], Drawn]]:
    """Each draws its pictures when it is asked to; what it draws is decided here."""
    random = np.random.default_rng(SEED)
    noises = torch.Generator().manual_seed(SEED)
    for _ in range(-(-pictures // batch)):
        kinds = [str(k) for k in random.choice(SEEN_CLASSES, batch)]
        genres = [str(g) for g in random.choice(SEEN_GENRES, batch)]
        identities, hands, views = (numbers("train", batch, random) for _ in range(3))
        noise = torch.randn(batch, *base.noise_shape(base.size), generator=noises)
        people = [Subject(k, n) for k, n in zip(kinds, identities, strict=True)]
        styles = [Style(g, n) for g, n in zip(genres, hands, strict=True)]
        looks = [View(n) for n in views]
        words = [f"a {kind} in sty1" for kind in kinds]
        yield partial(_draw, base, people, styles, looks, words, noise)


def _draw(
    base: Base, people: list[Subject], styles: list[Style], views: list[View], words: list[str],
    noise: Tensor,
) -> Drawn:  # fmt: skip
    rows = torch.from_numpy(render(people, styles, views, base.size))
    x = base.to_latent(rows.permute(0, 3, 1, 2).float().to(base.device) / 127.5 - 1)
    t = base.sample_time((torch.arange(len(x)) + 0.5) / len(x)).to(base.device)
    return x, words, t, noise.to(base.device)


def _directions(second: Array, first: Array, count: Array) -> Array:
    mean = first / count
    values, vectors = np.linalg.eigh(second / count - np.outer(mean, mean))
    main = (vectors * np.sqrt(values.clip(0)))[:, ::-1][:, :DIRECTIONS]
    # eigenvectors have no sign of their own
    main = main * np.where(main[np.abs(main).argmax(0), np.arange(DIRECTIONS)] < 0, -1, 1)
    return np.concatenate([mean[:, None], main], 1)


def run(place: Workplace, minutes: float) -> None:
    """Measure the base and write the file."""
    kept = place.runs / "inside.npz"
    directions = measure(place.base, kept, TimeBox(minutes))
    save(directions, place.asset(ASSET), place.base)
    kept.unlink(missing_ok=True)


def save(directions: dict[str, Array], path: Path, base: Base) -> None:
    held = {name: np.ascontiguousarray(array, np.float16) for name, array in directions.items()}
    trained.save(path, KIND, held, {"base_hash": base.hash, "pictures": amounts(base)[0]})
