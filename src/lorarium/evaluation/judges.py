"""Judges: an encoder and two thresholds that say whether a picture shows somebody, by someone.

A query passes as a subject when the cosine between its identity vector and the mean of the
references' unit vectors (five or so `photo` pictures) reaches the threshold; as a style likewise
with the style vectors of about twelve of the artist's pictures. Thresholds let 5% of the hard
negatives of the validation split pass and are never touched after. Judge A may choose and tune;
judge B, of another architecture and half other artists, reports.

A judge of family 2 says yes only when the strokes agree too: untrained distances, from which
nothing learns, must not be larger than nearly all true pictures have them. Patches are to be like
the references' and like those of the genre; an artist's strokes as fine as the references'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from lorarium import trained
from lorarium.encoders.encode import as_input, encode
from lorarium.encoders.nets import JudgeNet
from lorarium.encoders.panel import Panel
from lorarium.encoders.store import Card, PictureEncoder, load_encoder, mark_of
from lorarium.errors import LorariumError, quoted
from lorarium.evaluation.genre_banks import strangeness
from lorarium.evaluation.patches import fineness, relative_distance
from lorarium.evaluation.statistics import threshold_at
from lorarium.evaluation.trials import Scores, Trials, score, style_trials, subject_trials, unit
from lorarium.files import exists, files_inside, is_folder
from lorarium.world.scene import PHOTO
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES
from lorarium.world.words import tokens

Array = np.ndarray
NAMES = ("a", "b", "reporter")
Aspect = Literal["subject", "style"]
FALSE_ACCEPTS = 0.05
LEAST_STROKES = 3  # references, or their usual distance is unknown
LEAST_FALSE = 100  # of a genre's pairs, or it has no threshold of its own
STROKES_KEPT = 0.975  # share of true pictures whose strokes are near enough
USUAL_KEPT = 0.98  # share of true pictures that are like others of their genre
FINE_KEPT = 0.95  # share of true pictures whose strokes are about as fine as the artist's others


@dataclass(frozen=True)
class Thresholds:
    subject: float
    style: float


@dataclass(frozen=True)
class Judge:
    """Pictures are uint8 (n, h, w, 3) of any size; references (m, h, w, 3) show one subject or
    one artist's hand. Verdicts are bool (n,)."""

    net: nn.Module
    thresholds: Thresholds
    card: Card = field(default_factory=dict)
    strokes: Thresholds | None = None  # the largest `relative_distance` of patches
    strangest: float | None = None  # the largest `strangeness` in the genre that the judge sees
    fineness: float | None = None  # the largest difference from an artist's `fineness`
    # by the genre that a picture is in: how much higher a stranger's likeness comes there
    offsets: Mapping[str, float] = field(default_factory=dict)

    def subject_scores(self, pictures: Array, references: Array) -> Array:
        return self._scores("identity", pictures, references) - self.offsets_of(pictures)

    def offsets_of(self, pictures: Array) -> Array:
        """What a subject's likeness is to be lowered by, (n,), so that one threshold fits all
        genres: some take an individual's colours away, some its lines."""
        if not self.offsets:
            return np.zeros(len(pictures))
        return np.array([self.offsets[genre] for genre in self.genre_of(pictures)])

    def style_scores(self, pictures: Array, references: Array) -> Array:
        return self._scores("style", pictures, references)

    def subject_pass(self, pictures: Array, references: Array) -> Array:
        return self.margins("subject", pictures, references) >= 0

    def style_pass(self, pictures: Array, references: Array) -> Array:
        return self.margins("style", pictures, references) >= 0

    def margins(self, aspect: Aspect, pictures: Array, references: Array) -> Array:
        """How far pictures are on the side of yes, (n,): the lesser of likeness above its threshold
        and, where strokes count, of the share of their limit that is left."""
        scores = self.subject_scores if aspect == "subject" else self.style_scores
        alike = scores(pictures, references) - getattr(self.thresholds, aspect)
        return np.minimum(alike, self.strokes_left(aspect, pictures, references))

    def accepts(self, aspect: Aspect, scores: Array, pictures: Array, references: Array) -> Array:
        """The verdicts (n,) on pictures whose `subject_scores` or `style_scores` are known."""
        near = self.strokes_left(aspect, pictures, references) >= 0
        return near & (scores >= getattr(self.thresholds, aspect))

    def strokes_left(self, aspect: Aspect, pictures: Array, references: Array) -> Array:
        """The lesser share of the strokes' limits that is left, (n,): below 0 they are too far.

        The references' strokes count for a style, and for a subject where the picture is in the
        references' genre, as the judge sees it."""
        left = self.usual_left(pictures, references)
        if self.strokes is None or len(references) < LEAST_STROKES:
            return left
        near = 1 - relative_distance(pictures, references) / getattr(self.strokes, aspect)
        if aspect == "subject":
            genres = self.genre_of(references)
            usual = max(sorted(set(genres)), key=genres.count)
            near = np.where(np.array(self.genre_of(pictures)) == usual, near, np.inf)
        elif self.fineness is not None:
            near = np.minimum(near, 1 - less_fine(pictures, references) / self.fineness)
        return np.minimum(left, near)

    def usual_left(self, pictures: Array, references: Array) -> Array:
        """The share that is left of the limit of strangeness, (n,). References of a genre that the
        judge does not know are strange themselves, and then may be what is like them."""
        if self.strangest is None:
            return np.full(len(pictures), np.inf)
        usual = max(1.0, float(np.median(self._strange(references))))
        return 1 - self._strange(pictures) / (self.strangest * usual)

    def _strange(self, pictures: Array) -> Array:
        return strangeness(_small(pictures), self.genre_of(pictures))

    def both_pass(self, pictures: Array, subject: Array, style: Array) -> Array:
        """Pictures that show this subject in this style."""
        return self.subject_pass(pictures, subject) & self.style_pass(pictures, style)

    def class_of(self, pictures: Array) -> list[str]:
        (logits,) = encode(self.net, pictures, "kind")
        return [SEEN_CLASSES[i] for i in logits.argmax(-1).ravel()]

    def genre_of(self, pictures: Array) -> list[str]:
        (logits,) = encode(self.net, pictures, "genre")
        return [SEEN_GENRES[i] for i in logits.argmax(-1).ravel()]

    def agrees(self, pictures: Array, prompt: str) -> Array:
        """Whether the class and the genre that the prompt names (one or both) are seen."""
        words = set(re.findall(r"[a-z0-9]+", prompt.lower()))
        kinds, genres = words & set(SEEN_CLASSES), words & set(SEEN_GENRES)
        if not kinds | genres:
            raise LorariumError(
                f"{prompt[:60]!r} names no class and no genre", where="prompt",
                hint="say for example 'a cat in ink'",
            )  # fmt: skip
        verdict = np.ones(len(pictures), bool)
        if kinds:
            verdict &= np.isin(self.class_of(pictures), sorted(kinds))
        if genres:
            verdict &= np.isin(self.genre_of(pictures), sorted(genres))
        return verdict

    def alignment(self, pictures: Array, prompts: Sequence[str]) -> Array:
        """Cosines (n, prompts) between pictures and words."""
        assert isinstance(self.net, JudgeNet | Panel)
        (vectors,) = encode(self.net, pictures, "picture")
        with torch.no_grad():
            device = next(self.net.parameters()).device
            words = self.net.say(torch.tensor([tokens(p) for p in prompts], device=device))
        return vectors @ words.cpu().numpy().T

    def _scores(self, head: str, pictures: Array, references: Array) -> Array:
        (queries,) = encode(self.net, pictures, head)
        (known,) = encode(self.net, references, head)
        return unit(queries) @ prototype(known)


def less_fine(pictures: Array, references: Array) -> Array:
    """How far, either way, strokes are from being as fine as the references', (n,)."""
    return np.abs(fineness(_small(pictures)) - fineness(_small(references)).mean())


def prototype(vectors: Array) -> Array:
    """The direction (d,) of the mean of unit vectors (m, d)."""
    return unit(unit(vectors).mean(0))


def as_judge(encoder: PictureEncoder) -> Judge:
    thresholds = encoder.card.get("thresholds")
    if not isinstance(encoder.net, JudgeNet) or not thresholds:
        raise LorariumError(
            "this encoder has no thresholds", where="judge", hint="use judge_a or judge_b"
        )
    strokes = encoder.card.get("strokes")
    return Judge(
        heard_with(encoder.net, encoder.card.get("second")), Thresholds(**thresholds), encoder.card,
        None if strokes is None else Thresholds(**strokes), encoder.card.get("strangest"),
        encoder.card.get("fineness"),
        encoder.card.get("offsets", {}),
    )  # fmt: skip


def heard_with(net: JudgeNet, second: Mapping[str, Any] | None) -> JudgeNet | Panel:
    """A judge's network with the one that its card names beside it."""
    if second is None:
        return net
    path = judge_file(second["name"])
    other = load_encoder(path, str(next(net.parameters()).device)).net
    if not isinstance(other, JudgeNet) or mark_of(other) != second["mark"]:
        raise LorariumError("not the judge that is heard with this one", where=str(path))
    return Panel(net, other, second["shares"])


def _small(pictures: Array) -> Array:
    """As judges see them, uint8 (n, 48, 48, 3)."""
    x = as_input(pictures).permute(0, 2, 3, 1)
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()


def judge_file(name: str) -> Path:
    """Where a judge's weights lie: `a`, `b` and `reporter` (of family 2) are among the assets, all
    else is a file, or a folder that holds one."""
    if name in NAMES:
        return trained.asset(f"judge_{name}")
    path = Path(name)
    if not exists(path):
        raise LorariumError(f"no judge {quoted(name)}", hint="a, b, a judge's file, or its folder")
    if not is_folder(path):
        return path
    files = files_inside(path, (".safetensors",))
    if len(files) != 1:
        what = f"a judge's folder holds one file of weights, this one {len(files)}"
        raise LorariumError(what, where=name, hint="name the file")
    return files[0]


def load_judge(name: str = "b", device: str = "cpu") -> Judge:
    """A judge by its name, its file or its folder."""
    return as_judge(load_encoder(judge_file(name), device))


def trial_scores(net: nn.Module, trials: Trials, head: str) -> Scores:
    (references,) = encode(net, trials.references, head)
    (queries,) = encode(net, trials.queries, head)
    return score(references, queries, trials.group)


def calibrate_strokes(*, seed: int = 1, per_genre: int = 12, per_class: int = 2) -> Thresholds:
    """The distances of patches that nearly all true pictures of the validation split keep."""

    def limit(trials: Trials) -> float:
        distances = [
            relative_distance(queries, references)
            for queries, references in zip(trials.queries, trials.references, strict=True)
        ]
        return round(float(np.quantile(np.concatenate(distances), STROKES_KEPT)), 4)

    subjects = subject_trials("validation", per_class, 6, seed=seed, genres=(PHOTO,))
    return Thresholds(limit(subjects), limit(style_trials("validation", per_genre, 6, seed=seed)))


def calibrate_fineness(*, seed: int = 1, per_genre: int = 12) -> float:
    """The difference that nearly all true pictures of the validation split stay below."""
    trials = style_trials("validation", per_genre, 6, seed=seed)
    apart = [less_fine(q, r) for q, r in zip(trials.queries, trials.references, strict=True)]
    return round(float(np.quantile(np.concatenate(apart), FINE_KEPT)), 4)


def calibrate_strangest(judge: Judge, *, seed: int = 1, per_class: int = 4) -> float:
    """The strangeness that nearly all true pictures of the validation split stay below."""
    trials = subject_trials("validation", per_class, 6, seed=seed)
    queries = trials.queries.reshape(-1, *trials.queries.shape[-3:])
    return round(float(np.quantile(strangeness(queries, judge.genre_of(queries)), USUAL_KEPT)), 4)


def calibrate(
    net: nn.Module, *, seed: int = 1, per_genre: int = 24, per_class: int = 8
) -> Thresholds:
    """Thresholds at 5% false accepts on the hard negatives of the validation split."""
    styles = trial_scores(net, style_trials("validation", per_genre, 6, seed=seed), "style")
    subjects = trial_scores(net, subject_trials("validation", per_class, 6, seed=seed), "identity")
    return Thresholds(
        round(threshold_at(subjects.negative, FALSE_ACCEPTS), 5),
        round(threshold_at(styles.negative, FALSE_ACCEPTS), 5),
    )


def calibrate_offsets(
    net: nn.Module, threshold: float, *, seed: int = 1, per_class: int = 8
) -> dict[str, float]:
    """What lets 5% of the hard negatives of each genre pass that threshold."""
    trials = subject_trials("validation", per_class, 6, seed=seed)
    scores = trial_scores(net, trials, "identity")
    (genres,) = encode(net, trials.queries, "genre")
    seen = genres.argmax(-1)  # not the true one: what a verdict goes by
    hard = (trials.group[:, None] == trials.group[None]) & ~np.eye(len(trials.group), dtype=bool)
    offsets = {}
    for i, genre in enumerate(SEEN_GENRES):
        rows = [scores.scores[m, q][hard[m]] for m, q in zip(*np.nonzero(seen == i), strict=True)]
        false = np.concatenate(rows) if rows else np.zeros(0)
        limit = threshold_at(false, FALSE_ACCEPTS) if len(false) >= LEAST_FALSE else threshold
        offsets[genre] = round(limit - threshold, 5)
    return offsets
