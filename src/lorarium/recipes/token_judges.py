"""The reporter of family 2, from scratch: `python -m lorarium.recipes.token_judges train ...`.

It learns from rendered shards (`lorarium.recipes.shards`) who is who and by whose hand; from what
lies behind each picture, where to look; and from three kinds of pictures as models draw them, what
is *not* somebody: shards' pictures that a base drew anew from much noise, the bank of fakes
(`lorarium.recipes.fakes`), and pictures whose emblem is smeared, as bases smear it.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.encoders.episodes import COUNT, EACH, GROUPS, MEMBERS, prepared
from lorarium.encoders.genome import (
    BUILD,
    COLOUR_NUMBERS,
    MARK_NUMBERS,
    Genome,
    style_numbers,
    subject_numbers,
)
from lorarium.encoders.losses import against_prototypes
from lorarium.encoders.nets import HIDDEN, NetConfig
from lorarium.encoders.token_net import LAYOUT, SEEN, TokenNet
from lorarium.encoders.training import FitConfig, Loss, Losses, fit
from lorarium.recipes.drawn_bank import DrawnBank, Held
from lorarium.recipes.shards import Shard, load, shard_paths
from lorarium.recipes.strict_judges import roughen_pictures
from lorarium.recipes.redrawn import redrawn_rows
from lorarium.world.emblems import EMBLEMS
from lorarium.world.pen import GENES, MARKS
from lorarium.world.scene import PHOTO
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES
from lorarium.world.words import VOCABULARY

CONFIG = NetConfig("tokens", 96, len(SEEN_CLASSES), len(SEEN_GENRES), len(VOCABULARY), 2)
PLAN = FitConfig(total=3_000_000, batch=COUNT, decay=0.7, seed=21)
PEOPLE = GROUPS * MEMBERS
SMEARED = 8  # pictures of a step
REDRAWN, DRAWN = 12, 16
FALSE_PARTS = (
    "smeared person", "redrawn artist", "redrawn person", "bank artist", "bank person",
)  # fmt: skip
# where `subject_numbers` has the kinds of marks and of the emblem
MARK_KIND, EMBLEM_KIND = GENES + BUILD, GENES + BUILD + 1 + MARK_NUMBERS + COLOUR_NUMBERS
LEAST_EMBLEM = 0.01  # of the picture, or smearing it changes nothing


class Teaching(nn.Module):
    """A judge and the heads that only teach it."""

    def __init__(self, config: NetConfig = CONFIG) -> None:
        super().__init__()
        self.judge = TokenNet(config)
        self.genome = Genome(HIDDEN, config.classes, config.genres, LAYOUT)
        self.emblem = nn.Linear(HIDDEN, len(EMBLEMS))
        self.mark = nn.Linear(SEEN, len(MARKS))


@dataclass(frozen=True)
class Batch:
    """A shard as tensors, and further pictures that are held against its people or the bank's."""

    pictures: Tensor  # (COUNT + extra, 3, s, s) uint8
    shard: Shard
    fields: Tensor
    artist: Tensor  # (COUNT,) from 0 to PEOPLE - 1
    person: Tensor
    numbers: tuple[Tensor, Tensor]  # behind who is shown, behind the artist's hand
    held: list[Held]  # of the extra rows


def as_batch(shard: Shard, extra: list[tuple[np.ndarray, Held]]) -> Batch:
    places: dict[tuple[int, int], int] = {}
    # individuals of one class stand side by side, as artists of one genre do
    for key in sorted({(int(k), int(p)) for k, p in zip(shard.kind, shard.person, strict=True)}):
        places[key] = len(places)
    person = [places[int(k), int(p)] for k, p in zip(shard.kind, shard.person, strict=True)]
    pictures = [torch.from_numpy(shard.pictures), *[torch.from_numpy(p) for p, _ in extra]]
    return Batch(
        torch.cat(pictures).permute(0, 3, 1, 2), shard,
        torch.from_numpy(shard.fields).permute(0, 3, 1, 2).float() / 255,
        torch.arange(COUNT) // EACH, torch.tensor(person),
        (_numbered([subject_numbers(s) for s in shard.subjects()]),
         _numbered([style_numbers(s) for s in shard.styles()])),
        [held for _, held in extra],
    )  # fmt: skip


def _numbered(rows: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(rows)).float()


def smeared(
    shard: Shard, person: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, Held] | None:
    """Pictures in which what stands for the emblem says nothing: not the individual."""
    shown = shard.fields[..., 0].mean((1, 2)) / 255
    rows = random.permutation(np.flatnonzero(shown > LEAST_EMBLEM))[:SMEARED]
    if not len(rows):
        return None
    x = torch.from_numpy(shard.pictures[rows]).permute(0, 3, 1, 2).float()
    mask = torch.from_numpy(shard.fields[rows, :, :, :1]).permute(0, 3, 1, 2).float() / 255
    mask = F.interpolate(mask, x.shape[-2:], mode="bilinear")
    mask = F.max_pool2d(mask, 3, 1, 1)
    body = F.interpolate(
        torch.from_numpy(shard.fields[rows, :, :, 1:2]).permute(0, 3, 1, 2).float() / 255,
        x.shape[-2:], mode="bilinear",
    )  # fmt: skip
    # the emblem's place takes the colours of the body around it, softly
    weight = body * (1 - mask) + 1e-3
    for _ in range(2):
        around = F.avg_pool2d(x * weight, 9, 1, 4) / F.avg_pool2d(weight, 9, 1, 4)
    keep = torch.from_numpy(random.uniform(0, 0.35, (len(rows), 1, 1, 1))).float()
    x = x + mask * (1 - keep) * (around - x)
    pictures = x.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return pictures, Held("person", person[rows], np.zeros(len(rows), np.float32), None)


def wobbled(x: Tensor, random: torch.Generator) -> Tensor:
    """Some pictures bent a little, as models' lines are."""
    n = len(x)
    some = (torch.rand(n, 1, 1, 1, generator=random) < 0.35).float()
    amount = some * 0.07 * torch.rand(n, 1, 1, 1, generator=random)
    bend = F.interpolate(torch.randn(n, 2, 6, 6, generator=random), x.shape[-2:], mode="bicubic")
    still = F.affine_grid(torch.eye(2, 3).expand(n, -1, -1), list(x.shape), align_corners=False)
    grid = still + (amount * bend).permute(0, 2, 3, 1)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def losses(pupil: Teaching, b: Batch, x: Tensor, prototypes: dict[str, Tensor]) -> Losses:
    net = pupil.judge
    o = net(x)
    true = {k: v[:COUNT] for k, v in o.items()}
    s, bias = net.scales, net.biases
    genre = torch.from_numpy(b.shard.genre.astype(np.int64))
    kind = torch.from_numpy(b.shard.kind.astype(np.int64))
    shows = b.fields[:, 0].mean((1, 2)) > LEAST_EMBLEM / 2
    wrong = F.binary_cross_entropy_with_logits(true["fields"], b.fields, reduction="none").mean((0, 2, 3))
    out = {
        "artist": against_prototypes(true["style"], b.artist, MEMBERS, s[0], bias[0]),
        "person": against_prototypes(true["identity"], b.person, MEMBERS, s[1], bias[1]),
        "from photo": against_photos(true["identity"], b.person, genre, s[1], bias[1]),
        "genre": 0.2 * F.cross_entropy(true["genre"], genre),
        "class": 0.3 * F.cross_entropy(true["kind"], kind),
        "genome": 0.6
        * pupil.genome(true["layout"], true["texture"], *b.numbers, kind, genre),
        # heavy: on these hangs where the network looks
        "emblem": 60 * wrong[0],
        "silhouette": 5 * wrong[1],
        "lines": 5 * wrong[2],
        "emblem kind": F.cross_entropy(
            pupil.emblem(true["emblem"][shows]), b.numbers[0][shows, EMBLEM_KIND].long()
        ),
        "mark kind": F.cross_entropy(pupil.mark(true["body"]), b.numbers[0][:, MARK_KIND].long()),
        # the log wants the same names at every step
        **{name: torch.zeros(()) for name in FALSE_PARTS},
    }
    start = COUNT
    for held in b.held:
        rows = slice(start, start + len(held.truth))
        start += len(held.truth)
        i = 0 if held.aspect == "artist" else 1
        head = ("style", "identity")[i]
        if held.bank != "bank":
            member = b.artist if i == 0 else b.person
            known = F.one_hot(member, PEOPLE).float()
            toward = F.normalize(known.T @ true[head])[torch.from_numpy(held.place)]
        else:
            toward = prototypes[held.aspect][torch.from_numpy(held.place)]
        logits = s[i].exp() * (o[head][rows] * toward).sum(1) + bias[i]
        each = F.binary_cross_entropy_with_logits(
            logits, torch.from_numpy(held.truth), reduction="mean"
        )
        name = f"{held.bank or 'smeared'} {held.aspect}"
        out[name] = out[name] + each
    return out


def against_photos(
    vectors: Tensor, person: Tensor, genre: Tensor, scale: Tensor, bias: Tensor
) -> Tensor:
    """Every picture that is no photo beside each individual's photo, as judges are asked."""
    photo = genre == SEEN_GENRES.index(PHOTO)
    order = person[photo].argsort()
    photos = vectors[photo][order]
    asked, who = vectors[~photo], person[~photo]
    scores = asked @ photos.T
    mine = F.one_hot(who, len(photos)).bool()
    near = (torch.arange(len(photos)) // MEMBERS)[None] == (who // MEMBERS)[:, None]
    logits = scale.exp() * scores + bias
    return (
        F.cross_entropy(scale.exp() * scores, who)
        + F.softplus(-logits)[mine].mean()
        + F.softplus(logits)[near & ~mine].mean()
    )


class Feed:
    """What a step learns from: one of the shards that are there by now, and fakes."""

    def __init__(self, shards: Path, redrawn: Path, bank: DrawnBank, seed: list[int]) -> None:
        self.folder, self.redrawn, self.bank = shards, redrawn, bank
        self.random = np.random.default_rng(seed)
        self.order: list[Path] = []

    def next(self) -> Batch:
        if not self.order:
            paths = shard_paths(self.folder)
            self.order = [paths[i] for i in self.random.permutation(len(paths))][:200]
        path = self.order.pop()
        shard = load(path)
        person = as_batch(shard, []).person.numpy()
        extra = [
            smeared(shard, person, self.random),
            *redrawn_rows(self.redrawn / path.name, person, REDRAWN, self.random),
            *self.bank.some(DRAWN, self.random),
        ]
        return as_batch(shard, [e for e in extra if e is not None])


def train(
    folder: Path, shards: Path, redrawn: Path, fakes: Path, minutes: float, remainder: int
) -> dict[str, Any]:
    torch.manual_seed(PLAN.seed)
    torch.set_num_threads(1)
    bank = DrawnBank(fakes, remainder)

    def begin(step: int) -> Loss:
        feed = Feed(shards, redrawn, bank, [PLAN.seed, step])
        wear = torch.Generator().manual_seed(PLAN.seed + step)
        prototypes: dict[str, Tensor] = {}
        seen = 0

        def loss(model: nn.Module) -> Losses:
            nonlocal prototypes, seen
            assert isinstance(model, Teaching)
            if seen % 40 == 0:
                bank.refresh()
                prototypes = bank.prototypes(model.judge)
            seen += 1
            b = feed.next()
            x = roughen_pictures(wobbled(prepared(b.pictures), wear), wear)
            x = x.contiguous(memory_format=torch.channels_last)
            return losses(model, b, x, prototypes)

        return loss

    pupil = Teaching()
    start = folder / "start.pt"
    if start.exists():
        held = torch.load(start, map_location="cpu", weights_only=True)
        own = pupil.state_dict()
        fits = {k: v for k, v in held.items() if k in own and own[k].shape == v.shape}
        print(len(fits), "of", len(own), "tensors go on", flush=True)
        pupil.load_state_dict(fits, strict=False)
    trained, spent = fit(folder, pupil, begin, PLAN, minutes, "cpu")
    assert isinstance(trained, Teaching)
    torch.save(trained.judge.state_dict(), folder / "judge.pt")
    return {"spent": spent, "recipe": asdict(PLAN)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["train"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--redrawn", type=Path, required=True)
    parser.add_argument("--fakes", type=Path, required=True)
    parser.add_argument("--remainder", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=75)
    asked = parser.parse_args()
    print(train(asked.folder, asked.shards, asked.redrawn, asked.fakes, asked.minutes,
                asked.remainder))  # fmt: skip


if __name__ == "__main__":
    main()
