"""Everything that is measured on one kind of adapter, from a minted folder to one document."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import lorarium.evaluation.describe.looks as looks
import lorarium.evaluation.describe.scenarios as scenarios
from lorarium.adapter import Array
from lorarium.bases.base import Base
from lorarium.descriptors.gram import unit
from lorarium.descriptors.learned import Aligned, Learned, Probe, learned_for
from lorarium.errors import LorariumError
from lorarium.evaluation.describe.behaviour import behaviour, effects
from lorarium.evaluation.describe.folds import Fold, folds
from lorarium.evaluation.describe.measures import clusters, structure
from lorarium.evaluation.describe.parts import parts
from lorarium.evaluation.describe.retrieved import Result, figures, paired_differences, retrieve
from lorarium.evaluation.describe.rows import DescriptorContender, FittedContender, weight_rows
from lorarium.evaluation.describe.stability import stability
from lorarium.evaluation.describe.traces import compact, traces
from lorarium.evaluation.describe.zoo import Corpus, Zoo, load, read_zoo
from lorarium.world.words import tokens

Figures = dict[str, Any]
Say = Callable[[str], None]
KINDS = ("style", "subject")
LOOKED_THROUGH = ("sketch-output", "output", "sketch-product", "probe", "aligned")


@dataclass(frozen=True)
class Options:
    split: str = "test"
    judge: str = "b"
    samples: int = 6  # pictures that each adapter draws; 0 leaves the rows of samples out
    steps: int = 12  # of sampling
    most: int | None = None  # artists
    seed: int = 0
    kinds: tuple[str, ...] = KINDS

    def quick(self) -> Options:
        return replace(self, samples=0, most=12)


def evaluate_describe(
    folder: Path,
    cache: Path,
    options: Options | None = None,
    *,
    base: Base | None = None,
    learned: Learned | None = None,
    views: Callable[[str, str], tuple[dict[str, looks.EncoderHead], list[str]]] = looks.views,
    say: Say = lambda words: None,
) -> Figures:
    """One document for a minted folder; what could not be measured is listed with its reason.

    `base` draws the samples; without it, or with `samples=0`, their rows are left out. `cache`
    keeps them from one run to the next.
    """
    options = options or Options()
    zoo = read_zoo(folder)
    skipped: list[str] = [] if not zoo.missing else [f"{zoo.missing} adapters are not minted yet"]
    if learned is None:
        try:
            learned = learned_for()
        except LorariumError as error:
            skipped.append(f"probe, aligned: {error}")
    if options.samples and base is None:
        skipped.append("samples: no base was given")
    if base is not None and base.hash != zoo.base_hash:
        raise LorariumError(
            "these adapters were trained on another base", where=str(folder), hint="give --base"
        )
    document: Figures = {
        "zoo": zoo.name, "base_hash": zoo.base_hash, "options": asdict(options),
        "machine": platform.platform(), "kinds": {}, "skipped": skipped,
    }  # fmt: skip
    for kind in options.kinds:
        corpus = load(zoo, kind, options.split, options.most)
        if not corpus.entries:
            skipped.append(f"{kind}: none in the split {options.split}")
            continue
        say(f"{kind}: {len(corpus.entries)} adapters")
        seen, missing = views(kind, options.judge)
        skipped += [text for text in missing if text not in skipped]
        document["kinds"][kind] = _kind(corpus, cache, options, base, learned, seen, say)
    if not document["kinds"]:
        raise LorariumError(f"no adapters of the split {options.split}", where=str(folder))
    return document


def all_rows(
    corpus: Corpus,
    learned: Learned | None = None,
    seen: Mapping[str, looks.EncoderHead] | None = None,
    samples: tuple[Array, Array] | None = None,
    size: int = 48,
) -> list[DescriptorContender]:
    """Training-free descriptors, learned ones, pictures."""
    rows = weight_rows(corpus)
    if learned is not None:
        before = next((r.before for r in rows if isinstance(r, FittedContender) and r.before), 0.0)
        for made in (Probe, Aligned):
            make = _bound(made, learned)
            rows.append(FittedContender(made.name, corpus.sketches, make, "learned", before=before))
    if seen:
        rows += looks.picture_rows(corpus, seen, samples, size)
    return rows


def _bound(made: type[Probe] | type[Aligned], learned: Learned) -> Callable[[], Any]:
    return lambda: made(learned)


def _kind(
    corpus: Corpus,
    cache: Path,
    options: Options,
    base: Base | None,
    learned: Learned | None,
    seen: Mapping[str, looks.EncoderHead],
    say: Say,
) -> Figures:
    began, seed = time.monotonic(), options.seed
    size = base.size if base is not None else 48
    samples = None
    if base is not None and options.samples and seen:
        samples = looks.sample_pictures(
            corpus, base, cache, count=options.samples, steps=options.steps, seed=seed, say=say
        )
    rows = all_rows(corpus, learned, seen, samples, size)
    plan = list(folds(corpus))
    if not plan:
        raise LorariumError("no artist has two adapters", hint="mint copies, or other recipes")
    results: dict[str, Result] = {}
    table: list[Figures] = []
    for row in rows:
        results[row.name] = retrieve(row, corpus, plan)
        table.append(
            {
                "name": row.name, "sort": row.sort,
                "splits": figures(results[row.name], seed=seed),
                "clusters": _clusters(row, corpus, seed),
                "rejection": scenarios.rejection(row, corpus, plan),
                "seconds": row.seconds, "bytes": row.bytes,
            }
        )  # fmt: skip
        say(f"{row.name} measured")
    usual = np.flatnonzero(corpus.recipe == corpus.usual)
    readings = {name: compact(X) for name, X in _readings(corpus, learned).items()}
    document: Figures = {
        "adapters": len(corpus.entries), "artists": int(corpus.artist.max()) + 1,
        "groups": int(corpus.group.max()) + 1, "usual": corpus.usual,
        "recipes": {str(r): int((corpus.recipe == r).sum()) for r in np.unique(corpus.recipe)},
        "chance": 1 / (int(corpus.artist.max()) + 1),
        "rows": table, "paired": paired_differences(rows, results, seed=seed),
        "structure": _structure(rows, corpus, usual, seed),
        "stability": _stability(rows, corpus, plan),
        "traces": traces(corpus, readings),
        "parts": parts(corpus, learned, say),
        "questions": _questions(corpus, usual, learned, seen, samples, size, seed),
    }  # fmt: skip
    clip = seen.get("CLIP-like")
    if clip is not None and samples is not None and base is not None:
        changes = effects(corpus, base, samples[0], clip, steps=options.steps, seed=seed)
        document["behaviour"] = behaviour(corpus, readings, changes)
    document["map"] = _map(rows, corpus, table, seed)
    document["minutes"] = round((time.monotonic() - began) / 60, 2)
    return document


def _clusters(row: DescriptorContender, corpus: Corpus, seed: int) -> Figures:
    usual = np.flatnonzero(corpus.recipe == corpus.usual)
    report: Figures = {}
    for name, members in (("same", usual), ("all", np.arange(len(corpus.entries)))):
        placed = row.place(members, members[:0])
        if placed is None:
            continue
        chosen = members[placed.members]
        report[name] = {
            "artist": clusters(placed, corpus.artist[chosen], seed=seed),
            "group": clusters(placed, corpus.group[chosen], seed=seed),
        }
    return report


def _structure(
    rows: Sequence[DescriptorContender], corpus: Corpus, usual: Array, seed: int
) -> Figures:
    """Each map of weights against each map of training pictures, over the usual recipe."""
    report: Figures = {}
    placed = {row.name: row.place(usual, usual[:0]) for row in rows}
    for truth in (row for row in rows if row.sort == "oracle"):
        picture = placed[truth.name]
        assert picture is not None
        for row in rows:
            reading = placed[row.name]
            if row is truth or reading is None or len(reading.members) != len(usual):
                continue
            report.setdefault(truth.name, {})[row.name] = structure(reading, picture, seed=seed)
    return report


def _stability(
    rows: Sequence[DescriptorContender], corpus: Corpus, plan: Sequence[Fold]
) -> Figures:
    same = [fold for fold in plan if fold.split == "same"]
    wanted = [r for r in rows if isinstance(r, FittedContender) and r.name in LOOKED_THROUGH]
    return {row.name: stability(row, corpus, same[0]) for row in wanted} if same else {}


def _readings(corpus: Corpus, learned: Learned | None) -> dict[str, Array]:
    sketches = corpus.sketches
    readings = {
        part: np.stack([getattr(s, part) for s in sketches]) for part in ("output", "input")
    }
    readings["product"] = unit(np.stack([s.product for s in sketches]))
    facts = np.stack([np.log1p(np.abs(s.facts)) for s in sketches])
    readings["facts"] = (facts - facts.mean(0)) / np.maximum(facts.std(0), 1e-6)
    if learned is not None:
        readings["probe"], readings["aligned"] = learned.probes(sketches), learned.aligned(sketches)
    return readings


def _questions(
    corpus: Corpus,
    usual: Array,
    learned: Learned | None,
    seen: Mapping[str, looks.EncoderHead],
    samples: tuple[Array, Array] | None,
    size: int,
    seed: int,
) -> Figures:
    """Training pictures, new pictures and words, asked of the adapters of the usual recipe."""
    artists, odd = corpus.artist[usual], scenarios.alternating(corpus)
    about = scenarios.texts_about(corpus, usual)
    report: Figures = {"training pictures": {}, "new pictures": {}, "words": {}}
    gallery = learned.aligned([corpus.sketches[i] for i in usual]) if learned else np.zeros((0, 0))
    if learned is not None and about.texts:
        scores = learned.words(about.texts) @ gallery.T
        report["words"]["aligned"] = scenarios.asked_by_words(scores, about, seed=seed)
    clip = seen.get("CLIP-like")
    drawn = None if samples is None else [samples[0][i] for i in usual]
    if clip is not None and drawn is not None and about.texts:
        scores = _text_vectors(clip, about.texts) @ unit(looks.features(drawn, clip)).T
        report["words"]["CLIP-like, samples"] = scenarios.asked_by_words(scores, about, seed=seed)
    if not seen:
        return report
    training_pictures = looks.training_pictures(corpus, size)
    sets = {
        "training pictures": ([training_pictures[i] for i in usual], artists),
        "new pictures": (looks.unseen_pictures(corpus, size), np.arange(corpus.artist.max() + 1)),
    }
    for name, (pictures, truth) in sets.items():
        if learned is not None and "judge A" in seen:
            asked = learned.picture_features(looks.aligned_inputs(pictures, seen["judge A"].net))
            report[name]["aligned"] = scenarios.asked_by_vectors(
                asked, truth, gallery, artists, odd, seed=seed, centre=False
            )
        for encoder, view in seen.items():
            if view.head and drawn is not None:
                report[name][f"{encoder}, samples"] = scenarios.asked_by_vectors(
                    looks.features(pictures, view), truth, looks.features(drawn, view), artists,
                    odd, seed=seed, centre=True,
                )  # fmt: skip
    return report


def _text_vectors(clip: looks.EncoderHead, texts: Sequence[str]) -> Array:
    import torch

    with torch.no_grad():
        vectors = clip.net.say(torch.tensor([tokens(t) for t in texts]))  # type: ignore[operator]
    return vectors.cpu().numpy()


def _map(
    rows: Sequence[DescriptorContender], corpus: Corpus, table: Sequence[Figures], seed: int
) -> Figures:
    """All adapters in the plane, by the best row of weights across recipes."""
    from lorarium.evaluation.describe.plane import plane

    every = np.arange(len(corpus.entries))
    order = sorted(
        (i for i, row in enumerate(rows) if row.sort in ("weights", "learned")),
        key=lambda i: -_score(table[i]),
    )
    for i in order:
        placed = rows[i].place(every, every[:0])
        if placed is not None and len(placed.members) == len(every):
            spots = plane(placed, seed=seed)
            break
    else:
        return {}
    return {
        "row": rows[i].name,
        "points": [
            {"x": round(float(x), 3), "y": round(float(y), 3), "group": e.of[0],
             "artist": f"{e.of[0]} {e.of[1]}", "recipe": e.recipe, "id": e.id}
            for (x, y), e in zip(spots, corpus.entries, strict=True)
        ],
    }  # fmt: skip


def _score(row: Figures) -> float:
    splits = row["splits"]
    split_figures = splits.get("cross") or splits.get("same") or splits.get("random")
    return float(split_figures["map"]) if split_figures else -1.0


def best_training_free(zoo: Zoo, split: str = "validation", kind: str = "style") -> Figures:
    """R@1 of every training-free descriptor on a split: the headroom check."""
    corpus = load(zoo, kind, split)
    if not corpus.entries:
        raise LorariumError(f"no {kind} adapters of the split {split}", where=str(zoo.folder))
    plan = list(folds(corpus))
    rows = {
        row.name: {
            name: figure["r_at_1"] for name, figure in figures(retrieve(row, corpus, plan)).items()
        }
        for row in weight_rows(corpus)
    }
    best = {}
    for name in ("same", "cross"):
        known = {row: splits[name] for row, splits in rows.items() if name in splits}
        if known:
            winner = max(known, key=lambda row: known[row])
            best[name] = {"row": winner, "r_at_1": known[winner]}
    return {"artists": int(corpus.artist.max()) + 1, "rows": rows, "best": best}


__all__ = ["Options", "best_training_free", "evaluate_describe", "read_zoo"]
