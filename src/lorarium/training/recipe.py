"""What is trained and how: plain data, every number visible, saved with each adapter."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from lorarium.adapter import Adapter
from lorarium.algebra import fingerprint
from lorarium.bases.base import TARGETS
from lorarium.errors import LorariumError
from lorarium.formats.families.embedded import EMBEDDED, ships
from lorarium.training.table import Table
from lorarium.world.words import SUBJECT_TOKENS

OPTIMIZERS = ("adam", "muon")


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training; as they stand they learn an artist on micro-1 in a minute."""

    rank: int = 8
    alpha: float = 8.0  # the change is alpha / rank times the factors' product
    targets: str = "linear"  # attention, linear (all linears inside blocks) or all
    text_encoder: bool = False
    optimizer: str = "adam"  # or muon
    steps: int = 400
    batch: int = 8
    lr: float = 1e-2
    warmup: int = 10  # steps in which the rate rises
    cooldown: float = 0.5  # last share of the run over which the rate falls to zero
    drop: float = 0.0  # share of prompts left out
    clip: float = 1.0  # largest norm of an adapter's gradient
    prior: float = 0.0  # weight of the pictures that keep the class as it was
    prior_count: int = 16  # how many of them

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise LorariumError(f"{name} is {value}", hint=f"use {low} to {high}")
        for name, choices in (("targets", TARGETS), ("optimizer", OPTIMIZERS)):
            if (value := getattr(self, name)) not in choices:
                raise LorariumError(
                    f"no {name} called {value!r}", hint=f"there are {', '.join(choices)}"
                )

    @property
    def parts(self) -> tuple[str, ...]:
        encoders = ("text_encoder", "text_encoder_2", "text_encoder_3")
        return ("denoiser", *encoders) if self.text_encoder else ("denoiser",)


_RANGES: dict[str, tuple[float, float]] = {
    "rank": (1, 1024),
    "alpha": (1e-6, 1e6),
    "steps": (1, 1_000_000),
    "batch": (1, 4096),
    "lr": (1e-8, 10.0),
    "warmup": (0, 1_000_000),
    "cooldown": (0.0, 1.0),
    "drop": (0.0, 1.0),
    "clip": (1e-9, 1e9),
    "prior": (0.0, 1e3),
    "prior_count": (1, 10_000),
}


def defaults(family: str, prompt: str, optimizer: str | None = None) -> Recipe:
    """The recipe on a base of this family when nothing else is asked for. On an embedded one a
    prompt that names a subject learns more gently, or the subject would bring its paper along."""
    if family not in EMBEDDED:
        optimizer = optimizer or "adam"
        return Recipe(optimizer=optimizer, rank=16, alpha=16.0, steps=1000, batch=1, lr=1e-4,
                      warmup=50)  # fmt: skip
    subject = names_subject(prompt)
    optimizer = optimizer or ("adam" if subject or ships(family) else "muon")
    adam = 5e-3 if subject else 1e-2
    return Recipe(optimizer=optimizer, lr=2.5e-3 if optimizer == "muon" else adam)


def names_subject(prompt: str) -> bool:
    return bool(set(prompt.lower().split()) & set(SUBJECT_TOKENS))


def mirrors(family: str, prompt: str) -> bool:
    """Whether pictures are learned as their mirror images too when nothing is asked for."""
    return family in EMBEDDED and not names_subject(prompt)


def recipe_from(
    values: Mapping[str, Any] | Table, start: Recipe | None = None, where: str = ""
) -> Recipe:
    """A recipe from a table of numbers; unknown names and wrong types are errors."""
    start = start or Recipe()
    table = values if isinstance(values, Table) else Table(values, where)
    defaults = asdict(start)
    table.only("a recipe", defaults)
    try:
        return replace(
            start, **{name: _typed(table, name, defaults[name]) for name in table.values}
        )
    except LorariumError as error:
        raise LorariumError(error.what, where=table.where, hint=error.hint) from None


def _typed(table: Table, name: str, default: Any) -> Any:
    """A value of a recipe, of the type that it has by default."""
    if isinstance(default, bool):
        return table.boolean(name)
    if isinstance(default, str):
        return table.text(name)
    low, high = _RANGES[name]
    if isinstance(default, int):
        return table.integer(name, int(low), int(high))
    return table.number(name, low, high)


@dataclass(frozen=True, eq=False)
class Job:
    """One adapter to be: pictures (n, s, s, 3) uint8, a prompt for each, a recipe and seeds."""

    pictures: np.ndarray
    prompts: tuple[str, ...]
    recipe: Recipe = field(default_factory=Recipe)
    seed: int = 0
    init_seed: int | None = None  # of the factors' start; the seed itself when None
    begin: Adapter | None = None  # what to go on from, plain factors; fresh ones when None
    prior_pictures: np.ndarray | None = None
    prior_prompts: tuple[str, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)  # goes into the file's metadata
    mirror: bool = False  # learn each picture's mirror image too: it says as much of a hand

    def __post_init__(self) -> None:
        if len(self.pictures) == 0 or len(self.pictures) != len(self.prompts):
            raise LorariumError(f"{len(self.pictures)} pictures with {len(self.prompts)} prompts")

    @property
    def start(self) -> int:
        return self.seed if self.init_seed is None else self.init_seed

    @property
    def training_pictures(self) -> np.ndarray:
        """The pictures, and their mirror images if these are learned too."""
        pictures = self.pictures
        return np.concatenate([pictures, pictures[:, :, ::-1]]) if self.mirror else pictures

    @property
    def training_prompts(self) -> tuple[str, ...]:
        """A prompt for each of what is shown."""
        return self.prompts * 2 if self.mirror else self.prompts

    def fingerprint(self) -> str:
        """SHA-256 of all that decides the result, the base apart."""
        digest = hashlib.sha256()
        for part in (self.recipe, self.seed, self.start, self.training_prompts, self.prior_prompts):
            digest.update(f"{part}\n".encode())
        if self.begin is not None:
            digest.update(fingerprint(self.begin).encode())
        for pictures in (self.pictures, self.prior_pictures):
            if pictures is not None:
                digest.update(f"{pictures.shape}".encode() + np.ascontiguousarray(pictures).data)
        return digest.hexdigest()
