"""The one interface of every base model, and `open_base`, which finds the backend of a name.

All bases speak of clean pictures: `predict` returns the clean latent, `alpha_sigma` says how a
noisy one is mixed (x_t = alpha x + sigma noise), so sampling, training and merging are written
once.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from lorarium.adapter import Module
from lorarium.bases.device import resolve_device
from lorarium.bases.holding import BaseToOpen, Holding
from lorarium.errors import LorariumError
from lorarium.files import exists
from lorarium.formats.families.embedded import HEIR, SHIPPED, ships

Text = Mapping[str, Tensor]  # what the encoders say: tensors by name, one row per prompt


class Base(Protocol):
    """A frozen text-to-image model. Times run from 1 (noise) to 0 (picture)."""

    family: str
    hash: str  # of the weights: what every artifact that stands on it carries
    size: int  # pixels of a side
    guidance: float  # how strictly it follows words where nothing else is said
    distilled: bool  # guidance is an input of the network, not a second pass

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Part -> network."""

    @property
    def device(self) -> torch.device: ...

    def encode(self, prompts: Sequence[str]) -> Text:
        """Rows of text; differentiable, so that text encoders can be adapted."""

    def predict(self, x: Tensor, t: Tensor, text: Text) -> Tensor:
        """Noisy latents (n, c, h, w) and times (n,) -> clean latents."""

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """alpha and sigma at times (n,)."""

    def loss_weight(self, t: Tensor) -> Tensor:
        """What the base's own training multiplies the squared error of `predict` by, (n,)."""

    def sample_time(self, share: Tensor) -> Tensor:
        """Uniform numbers in (0, 1) -> times as often as the base was trained on them."""

    def times(self, steps: int) -> list[float]:
        """The times of a sampling run, falling, the last one 0: steps + 1 of them."""

    def noise_shape(self, size: int) -> tuple[int, int, int]:
        """Shape of a latent for pictures of `size` pixels."""

    def to_latent(self, pictures: Tensor) -> Tensor:
        """Pictures (n, 3, s, s) in [-1, 1] -> latents."""

    def to_pictures(self, latents: Tensor) -> Tensor:
        """Latents -> pictures (n, 3, s, s) in [-1, 1]."""


def mixed(base: Base, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """The noisy latents of clean ones."""
    alpha, sigma = (rows(v, x) for v in base.alpha_sigma(t))
    return alpha * x + sigma * noise


def losses(base: Base, x: Tensor, text: Text, t: Tensor, noise: Tensor) -> Tensor:
    """The base's own training loss of each row, (n,)."""
    prediction = base.predict(mixed(base, x, noise, t), t, text)
    return base.loss_weight(t) * (prediction - x).square().flatten(1).mean(1)


def rows(v: Tensor, like: Tensor) -> Tensor:
    """(n,) -> (n, 1, 1...) to multiply with `like`."""
    return v.reshape(-1, *[1] * (like.ndim - 1))


def take(text: Text, index: Tensor) -> Text:
    """Some rows of text."""
    return {name: tensor[index] for name, tensor in text.items()}


def joined(texts: Sequence[Text]) -> Text:
    """Texts one below the other."""
    return {name: torch.cat([t[name] for t in texts]) for name in texts[0]}


_ATTENTION = (
    "to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out",
    "q_proj", "k_proj", "v_proj", "out_proj", "SelfAttention.q", "SelfAttention.k",
    "SelfAttention.v", "SelfAttention.o",
)  # fmt: skip
_BLOCKS = (
    "transformer_blocks.", "layers.", "block.", "attentions.", "single_transformer_blocks.",
)  # fmt: skip


def _attention(path: str, layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear) and path.endswith(_ATTENTION)


def _linear(path: str, layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear) and any(block in path for block in _BLOCKS)


def _everything(path: str, layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)


# which modules an adapter may change, by the name of `--targets`
TARGETS: dict[str, Callable[[str, nn.Module], bool]] = {
    "attention": _attention,
    "linear": _linear,
    "all": _everything,
}


def modules(
    base: Base, targets: str = "all", parts: Sequence[str] = ("denoiser", "text_encoder")
) -> dict[Module, tuple[int, ...]]:
    """The adaptable modules and the shapes of their weights."""
    if targets not in TARGETS:
        raise LorariumError(
            f"no targets are called {targets!r}", hint=f"there are {', '.join(TARGETS)}"
        )
    chosen = TARGETS[targets]
    shapes: dict[Module, tuple[int, ...]] = {}
    for part in sorted(set(parts) & set(base.networks)):
        for path, layer in base.networks[part].named_modules():
            if chosen(path, layer):
                shapes[Module(part, path)] = tuple(layer.weight.shape)
    return dict(sorted(shapes.items()))


@dataclass(frozen=True)
class BaseKind:
    """A kind of base model: which names are its own, and the module whose `open_named` has it."""

    module: str
    knows: Callable[[str], bool]


def _is_checkpoint(name: str) -> bool:
    from lorarium.bases.single_file import is_checkpoint

    return is_checkpoint(name)


# asked in this order
KINDS = [
    BaseKind("single_file", _is_checkpoint),
    BaseKind("micro_base", lambda name: ships(name) or name.endswith(".safetensors")),
    BaseKind("micro2_folder", lambda name: name == HEIR or exists(Path(name) / "lorarium.json")),
    BaseKind("folder", lambda name: True),
]


def open_base(
    where: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    *,
    dtype: str = "float32",
    offload: bool = False,
    checkpointing: bool = False,
    say: Callable[[str], None] | None = None,
) -> Base:
    """A base model: our own when nothing is said, `micro-2`, a `.safetensors` file of ours, or a
    folder or hub name of diffusers.

    `dtype` (float32, bfloat16, float16) is of its weights; `offload` keeps each network in the
    device's memory only while it is needed; `checkpointing` is for training with less memory.
    """
    return at_hand(BaseToOpen(where, Holding(device, dtype, offload, checkpointing, say)))


def at_hand(base: Base | BaseToOpen | str | os.PathLike[str] | None, device: str = "cpu") -> Base:
    """A base as it is, or the one of a name opened."""
    if not isinstance(base, BaseToOpen | str | os.PathLike | None):
        return base
    todo = base if isinstance(base, BaseToOpen) else BaseToOpen(base, Holding(device))
    resolve_device(todo.holding.device)  # before anything large is read
    name = os.fspath(todo.where or SHIPPED)
    kind = next(kind for kind in KINDS if kind.knows(name))
    room = importlib.import_module(f"lorarium.bases.{kind.module}")
    opened: Base = room.open_named(name, todo.holding)
    if todo.holding.checkpointing:
        from lorarium.bases.checkpointing import checkpoint_gradients

        checkpoint_gradients(opened)
    return opened
