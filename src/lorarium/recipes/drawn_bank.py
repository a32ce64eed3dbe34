"""The bank of fakes as a judge in training meets it: pictures, whom they are held against, and how
many lookers would say yes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lorarium.encoders.episodes import prepared
from lorarium.encoders.nets import JudgeNet
from lorarium.recipes.fakes import people
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, numbers

Array = np.ndarray
ASPECTS = ("artist", "person")
KNOWN = {"artist": 8, "person": 4}  # true pictures of each
HALF_OF = {0: "a", 2: "b"}
# the share of blind votes for such pictures, on the half of the sheets that may be built on
TRUTH = {
    "artist": {"touched": 1.0, "long": 0.5, "medium": 0.25},
    "person": {"touched": 1.0, "long": 0.95, "medium": 0.7},
}


@dataclass(frozen=True)
class Held:
    """Rows that are held against somebody: numbers in the bank, or in the batch's shard."""

    aspect: str
    place: Array
    truth: Array  # float32, 0 to 1
    bank: str | None


class DrawnBank:
    def __init__(self, folder: Path, remainder: int, size: int = 48) -> None:
        self.folder, self.size = folder, size
        artists, persons = people(HALF_OF[remainder])
        self.people: dict[str, list[Style] | list[Subject]] = {
            "artist": artists, "person": persons,
        }  # fmt: skip
        self.seen: set[Path] = set()
        self.rows: dict[str, list[tuple[int, str, Array]]] = {a: [] for a in ASPECTS}
        self.true: dict[str, dict[int, Array]] = {a: {} for a in ASPECTS}
        self.random = np.random.default_rng(3)

    def refresh(self) -> None:
        """Take in what was drawn since."""
        for file in sorted(self.folder.glob("[!.]*.npz")):
            if file in self.seen:
                continue
            self.seen.add(file)
            with np.load(file, allow_pickle=False) as held:
                for picture, kind, *identity in zip(
                    held["pictures"], held["kind"], held["artist"], held["person"], strict=True
                ):
                    for aspect, number in zip(ASPECTS, identity, strict=True):
                        if number >= 0:
                            self.rows[aspect].append((int(number), str(kind), picture))
        for aspect in ASPECTS:
            for number in {n for n, _, _ in self.rows[aspect]} - set(self.true[aspect]):
                self.true[aspect][number] = self._true(aspect, number)

    def _true(self, aspect: str, number: int) -> Array:
        count = KNOWN[aspect]
        other = numbers("train", count, self.random)
        identity = self.people[aspect][number]
        views = [View(n) for n in numbers("train", count, self.random)]
        if isinstance(identity, Style):
            subjects = [Subject(str(self.random.choice(SEEN_CLASSES)), n) for n in other]
            return render(subjects, [identity] * count, views, self.size)
        return render([identity] * count, [Style(PHOTO, n) for n in other], views, self.size)

    @torch.no_grad()
    def prototypes(self, net: JudgeNet) -> dict[str, Tensor]:
        """Everybody's mean direction as the network sees it now, (people, width)."""
        tables = {}
        for aspect, head in zip(ASPECTS, ("style", "identity"), strict=True):
            table = torch.zeros(len(self.people[aspect]), net.config.width)
            known = sorted(self.true[aspect])
            for start in range(0, len(known), 32):
                some = known[start : start + 32]
                pictures = np.concatenate([self.true[aspect][n] for n in some])
                x = prepared(torch.from_numpy(pictures).permute(0, 3, 1, 2))
                vectors = net(x.contiguous(memory_format=torch.channels_last))[head]
                table[some] = F.normalize(vectors.view(len(some), KNOWN[aspect], -1).mean(1))
            tables[aspect] = table
        return tables

    def some(self, count: int, random: np.random.Generator) -> list[tuple[Array, Held]]:
        """So many pictures, half of them held against artists; kinds are equally often met."""
        drawn = []
        for aspect in ASPECTS:
            rows = self.rows[aspect]
            if not rows:
                continue
            by_kind: dict[str, list[int]] = {}
            for i, (_, kind, _) in enumerate(rows):
                by_kind.setdefault(kind, []).append(i)
            kinds = random.choice(sorted(by_kind), count // 2)
            chosen = [rows[int(random.choice(by_kind[str(k)]))] for k in kinds]
            truth = [TRUTH[aspect].get(kind, 0.0) for _, kind, _ in chosen]
            held = Held(aspect, np.array([n for n, _, _ in chosen]),
                        np.array(truth, np.float32), "bank")  # fmt: skip
            drawn.append((np.stack([p for _, _, p in chosen]), held))
        return drawn
