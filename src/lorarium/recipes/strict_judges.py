"""Judges of family 2: they go on from those of family 1, and meet what models draw.

Beside the episodes of true pictures each batch has fakes (`lorarium.recipes.fakes`): what the
generator, short trainings, words alone and merges draw of an artist or individual is *not* theirs;
true pictures that a model cleaned are. Trainers go on from judge A and meet people that reporters
never do.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.encoders.episodes import COUNT, EACH, GROUPS, MEMBERS, Episode, prepared
from lorarium.encoders.genome import Genome, style_numbers, subject_numbers
from lorarium.encoders.losses import against_prototypes
from lorarium.encoders.nets import HIDDEN, SIZE, JudgeNet
from lorarium.encoders.store import inherit
from lorarium.encoders.training import FitConfig, Loss, Losses, fit
from lorarium.recipes.fakes import people
from lorarium.recipes.judges import CONFIGS
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers
from lorarium.world.words import prompt, tokens

FROM = {"a": "judge_a", "b": "judge_b"}
PLAN = FitConfig(total=3_000_000, batch=COUNT, muon=1.5e-3, adam=1e-3, decay=0.6)
TRUE_KINDS = ("touched",)
ROOM = 400  # episodes; rendering costs as much as learning
FRESH = 0.15


class Fakes:
    """The bank of a half by who a picture is not, or in spite of a model's touch is."""

    def __init__(self, folder: Path) -> None:
        self.false: dict[str, dict[int, list[np.ndarray]]] = {"artist": {}, "person": {}}
        self.true: dict[str, dict[int, list[np.ndarray]]] = {"artist": {}, "person": {}}
        for file in sorted(folder.glob("[!.]*.npz")):
            rows = np.load(file)
            for i, kind in enumerate(rows["kind"]):
                held = self.true if kind in TRUE_KINDS else self.false
                for aspect in ("artist", "person"):
                    number = int(rows[aspect][i])
                    if number >= 0:
                        held[aspect].setdefault(number, []).append(rows["pictures"][i])

    def draw(
        self, true: bool, aspect: str, number: int, random: np.random.Generator
    ) -> np.ndarray | None:
        pictures = (self.true if true else self.false)[aspect].get(number)
        return pictures[int(random.integers(len(pictures)))] if pictures else None


class StrictEpisode:
    """An episode of true pictures of people of the bank. `extra` rows come after them when a batch
    is made: their pictures, who they are held against, and whether they are theirs."""

    def __init__(self, half: str, random: np.random.Generator) -> None:
        artists, persons = people(half)
        by_genre = {g: [i for i, a in enumerate(artists) if a.genre == g] for g in SEEN_GENRES}
        by_class = {c: [i for i, p in enumerate(persons) if p.kind == c] for c in SEEN_CLASSES}
        others = [g for g in SEEN_GENRES if g != PHOTO]
        genres = [PHOTO, PHOTO, *random.choice(others, GROUPS - 2, replace=False)]
        classes = random.choice(SEEN_CLASSES, GROUPS, replace=False)
        photographers = random.permutation(by_genre[PHOTO])
        self.artists: list[int] = []
        for i, g in enumerate(genres):
            chosen = photographers[4 * i : 4 * i + 4] if i < 2 else random.permutation(
                by_genre[str(g)])[:MEMBERS]  # fmt: skip
            self.artists += [int(n) for n in chosen]
        # a class has fewer individuals in the bank than an episode asks for: the rest are anybody
        self.persons: list[int] = []
        individuals: list[Subject] = []
        for c in classes:
            known = [int(n) for n in random.permutation(by_class[str(c)])[:MEMBERS]]
            self.persons += known + [-1] * (MEMBERS - len(known))
            individuals += [persons[n] for n in known]
            more = numbers("train", MEMBERS - len(known), random)
            individuals += [Subject(str(c), n) for n in more]
        artist = np.repeat(np.arange(len(self.artists)), EACH)
        person = np.concatenate([random.permutation(len(individuals)) for _ in range(EACH)])
        styles: list[Style] = [artists[self.artists[i]] for i in artist]
        subjects = [individuals[i] for i in person]
        views = [View(n) for n in numbers("train", COUNT, random)]
        pictures = torch.from_numpy(render(subjects, styles, views, SIZE)).permute(0, 3, 1, 2)
        words = [tokens(prompt(s, a, random)) for s, a in zip(subjects, styles, strict=True)]
        self.episode = Episode(
            pictures, torch.from_numpy(artist), torch.from_numpy(person),
            torch.tensor([SEEN_GENRES.index(s.genre) for s in styles]),
            torch.tensor([SEEN_CLASSES.index(s.kind) for s in subjects]),
            torch.tensor(words),
            torch.from_numpy(np.stack([subject_numbers(s) for s in subjects])).float(),
            torch.from_numpy(np.stack([style_numbers(s) for s in styles])).float(),
        )  # fmt: skip

    def extra(
        self, fakes: Fakes, random: np.random.Generator
    ) -> tuple[Tensor, dict[str, tuple[Tensor, Tensor, Tensor]]]:
        """More pictures (n, 3, s, s), and by `artist` and `person`: rows, members, truth."""
        pictures: list[np.ndarray] = []
        by_aspect = {}
        for aspect, members in (("artist", self.artists), ("person", self.persons)):
            rows, held, truth = [], [], []
            for place, number in enumerate(members):
                for true in (False, False, True) if random.random() < 0.5 else (False, True):
                    picture = fakes.draw(true, aspect, number, random)
                    if picture is not None:
                        rows.append(COUNT + len(pictures))
                        held.append(place)
                        truth.append(float(true))
                        pictures.append(picture)
            by_aspect[aspect] = (
                torch.tensor(rows, dtype=torch.long),
                torch.tensor(held, dtype=torch.long),
                torch.tensor(truth),
            )
        if not pictures:
            return self.episode.pictures[:0], by_aspect
        return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2), by_aspect


def roughen_pictures(x: Tensor, random: torch.Generator) -> Tensor:
    """Pictures in [-1, 1] as they come from models and files: noised, blurred, resized, shifted."""
    n, device = len(x), x.device

    def some(share: float) -> Tensor:
        return (torch.rand(n, 1, 1, 1, generator=random) < share).float().to(device)

    soft = torch.rand(n, 1, 1, 1, generator=random).to(device) * some(0.4)
    x = x + soft * (F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) - x)
    small = F.interpolate(x, scale_factor=0.75, mode="bilinear", antialias=True)
    x = x + some(0.2) * (F.interpolate(small, x.shape[-2:], mode="bilinear") - x)
    amount = 0.12 * torch.rand(n, 1, 1, 1, generator=random).to(device) ** 2 * some(0.7)
    x = x + amount * torch.randn(x.shape, generator=random).to(device)
    light = 1 + 0.06 * torch.randn(n, 1, 1, 1, generator=random).to(device)
    # blocks of 8 whose fine detail is rounded, as JPEG does
    blocks = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2.0, mode="nearest")
    x = x + 0.5 * some(0.15) * (blocks - x)
    return (x * light).clamp(-1.2, 1.2)


class Pupil(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        config = CONFIGS[name]
        self.judge = JudgeNet(config)
        self.genome = Genome(HIDDEN, config.classes, config.genres)


def strict_losses(
    pupil: Pupil, e: Episode, x: Tensor, held: dict[str, tuple[Tensor, Tensor, Tensor]]
) -> Losses:
    """True pictures as in family 1; then yes or no for the others, against true prototypes."""
    net = pupil.judge
    o = net(x)
    clean = {k: v[:COUNT] for k, v in o.items()}
    s, b = net.scales, net.biases
    losses = {
        "artist": against_prototypes(clean["style"], e.artist, MEMBERS, s[0], b[0]),
        "individual": against_prototypes(clean["identity"], e.individual, MEMBERS, s[1], b[1]),
        "genre": 0.2 * F.cross_entropy(clean["genre"], e.genre),
        "class": 0.3 * F.cross_entropy(clean["kind"], e.kind),
        "genome": 0.5
        * pupil.genome(clean["layout"], clean["texture"], e.subject, e.style, e.kind, e.genre),
    }
    for i, (aspect, head, truth) in enumerate(
        (("artist", "style", e.artist), ("person", "identity", e.individual))
    ):
        rows, members, theirs = held[aspect]
        known = F.one_hot(truth, GROUPS * MEMBERS).float()
        prototypes = F.normalize(known.T @ clean[head])
        logits = s[i].exp() * (o[head][rows] * prototypes[members]).sum(1) + b[i]
        each = F.binary_cross_entropy_with_logits(logits, theirs, reduction="none")
        yes, no = theirs > 0.5, theirs < 0.5
        losses[f"fake {aspect}"] = each[no].mean() if no.any() else 0 * each.sum()
        losses[f"touched {aspect}"] = each[yes].mean() if yes.any() else 0 * each.sum()
    return losses


def go_on(half: str, folder: Path, bank: Path, minutes: float, plan: FitConfig = PLAN) -> JudgeNet:
    """Go on with the trainer ("a") or the reporter ("b") for so many minutes."""
    torch.manual_seed(ord(half))
    pupil = Pupil(FROM[half])
    before = inherit(pupil.judge, FROM[half])
    print(before, flush=True)

    def begin(step: int) -> Loss:
        random = np.random.default_rng([ord(half), step])
        wear = torch.Generator().manual_seed(step)
        episodes: list[StrictEpisode] = []
        fakes, seen = Fakes(bank), step

        def loss(model: nn.Module) -> Losses:
            nonlocal fakes, seen
            assert isinstance(model, Pupil)
            seen += 1
            if seen % 100 == 0:
                fakes = Fakes(bank)  # the bank may still be growing
            if len(episodes) < 12 or random.random() < FRESH:
                new = StrictEpisode(half, random)
                if len(episodes) < ROOM:
                    episodes.append(new)
                else:
                    episodes[int(random.integers(ROOM))] = new
                chosen = new
            else:
                chosen = episodes[int(random.integers(len(episodes)))]
            extra, held = chosen.extra(fakes, random)
            pictures = torch.cat([chosen.episode.pictures, extra])
            x = roughen_pictures(prepared(pictures), wear).contiguous(
                memory_format=torch.channels_last
            )
            return strict_losses(model, chosen.episode, x, held)

        return loss

    trained, _ = fit(folder, pupil, begin, plan, minutes, "cpu")
    assert isinstance(trained, Pupil)
    return trained.judge
