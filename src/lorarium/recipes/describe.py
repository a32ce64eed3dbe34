"""The stage `describe`: the learned descriptors, from the zoo's train split into one small asset.

First the probe: how much each role of a module counts; axes that tell artists apart, their
shrinkage chosen on the validation split; and a small network on them, kept when it is better there.
Then the towers that bring adapters, pictures and words together (InfoNCE, as CLIP). Ships when it
wins on validation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from torch import Tensor, nn

from lorarium.adapter import Array
from lorarium.describe.learned import ASSET, FORMAT, Learned, Probe, load_learned, weighed
from lorarium.describe.sketch import SKETCH_VERSION
from lorarium.encoders.losses import against_prototypes, contrast
from lorarium.encoders.store import mark_of
from lorarium.encoders.store import shipped as encoder
from lorarium.encoders.training import FitConfig, Loss, Losses, fit
from lorarium.errors import LorariumError
from lorarium.evaluate.describe.folds import folds
from lorarium.evaluate.describe.looks import aligned_inputs, never_seen
from lorarium.evaluate.describe.retrieved import figures, retrieve
from lorarium.evaluate.describe.rows import DescriptorRow
from lorarium.evaluate.describe.scenarios import texts_about
from lorarium.evaluate.describe.zoo import Corpus, Zoo, load, read_zoo
from lorarium.library.calibrate import ALPHA
from lorarium.models.micro_base import FAMILY
from lorarium.recipes import zoo as zoo_stage
from lorarium.recipes.describe_data import (
    SIZE,
    Augmented,
    Examples,
    gather,
    picture_table,
    subset,
    text_table,
)
from lorarium.recipes.describe_nets import (
    AlignedNet,
    CrossFitted,
    ProbeNet,
    Weights,
    projection,
    role_weights,
)
from lorarium.world.words import tokens

RUN = Path("runs/describe")
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
SHRINKS = (0.03, 0.1, 0.3, 1.0, 3.0)
SHOWN = (1, 3, 12)  # pictures of an artist that somebody may search by
EACH, EACH_GROUP, ARTISTS = 4, 4, 32  # adapters of an artist, artists of a group, in a batch
PROBE = FitConfig(total=EACH * ARTISTS * 3000, batch=EACH * ARTISTS, muon=1e-3, adam=1e-3, seed=21)
ALIGNED = FitConfig(total=128 * 6000, batch=128, muon=2e-3, adam=2e-3, seed=22)


def run(device: str, minutes: float) -> None:
    """Train on `runs/zoo` and ship what wins."""
    zoo = read_zoo(zoo_stage.FOLDER)
    train(zoo, encoder("judge_a").net, RUN, ASSET, device=device, minutes=minutes)


def due() -> bool:
    """While the zoo is whole and what ships does not stand on it."""
    try:
        zoo = read_zoo(zoo_stage.FOLDER)
    except LorariumError:
        return False
    if zoo.missing:
        return False
    try:
        return load_learned(ASSET).card.get("zoo") != mark(zoo)
    except LorariumError:
        return True


def train(
    zoo: Zoo, judge: nn.Module, runs: Path, asset: Path, *, device: str = "cpu",
    minutes: float = 30, plans: tuple[FitConfig, FitConfig] = (PROBE, ALIGNED),
) -> bool:  # fmt: skip
    """Whether what was learned ships. Each network goes on from its own checkpoint."""
    raw = gather(zoo)
    whole = np.arange(0, len(raw.vectors), 2)  # an adapter at half its rank is too easy to find
    roles = role_weights(subset(raw, whole))
    examples = replace(raw, vectors=weighed(raw.vectors, roles))
    known = [c for c in (load(zoo, kind, "validation") for kind in ("style", "subject"))
             if c.entries and any(folds(c))]  # fmt: skip
    if not known:
        raise LorariumError("no validation adapters to choose by", where=str(zoo.folder))
    runs = runs / mark(zoo)[:12]
    axes, shrink = best_axes(examples, roles, known)
    crossed = CrossFitted(examples, axes, shrink)
    probe = train_probe(examples, crossed, plans[0], runs / "probe", device, minutes * 0.4)
    plain = ProbeNet(crossed.width)
    tuned, untuned = (best_share(axes, net, known) for net in (probe, plain))
    print(f"validation: network {tuned[1]['score']}, axes alone {untuned[1]['score']}", flush=True)
    if untuned[1]["score"] >= tuned[1]["score"]:
        probe, tuned = plain, untuned
    share, scores = tuned
    aligned = train_aligned(
        examples, crossed, probe, judge, plans[1], runs / "aligned", device, minutes * 0.4
    )
    weights = _weights(axes, probe, share) | aligned.weights()
    card: dict[str, Any] = {
        "name": "describe",
        "data": "sketches of the zoo's train split, the drawn world's pictures and words",
        "family": FAMILY, "sketch": SKETCH_VERSION, "zoo": mark(zoo), "base_hash": zoo.base_hash,
        "recipe": {"shrink": shrink, "network": probe is not plain, "share": share,
                   "probe": asdict(plans[0]), "aligned": asdict(plans[1])},
        "artists": examples.artists, "adapters": len(examples.vectors) // 2,
        "judge": mark_of(judge), "least": least_of(Learned(FAMILY, weights, {}), known, judge),
        "scores": {"validation": scores},
        "licence": "CC0-1.0",
    }  # fmt: skip
    if not wins(card, asset):
        print("the shipped descriptors keep their place", flush=True)
        return False
    save_learned(asset, weights, card)
    return True


def mark(zoo: Zoo) -> str:
    """A hash of which adapters there are to learn from, how each was made, and of their base."""
    seen = [repr(e) for e in zoo.entries if e.split != "test"]
    said = json.dumps([zoo.base_hash, *sorted(seen)])
    return hashlib.sha256(said.encode()).hexdigest()


def best_axes(examples: Examples, roles: Array, known: Sequence[Corpus]) -> tuple[Weights, float]:
    """The projection with the shrinkage that finds most on validation."""
    tried = {s: projection(examples, s) | {"probe.roles": roles} for s in SHRINKS}
    plain = ProbeNet(len(tried[SHRINKS[0]]["probe.project"]))
    scores = {s: best_share(axes, plain, known)[1]["score"] for s, axes in tried.items()}
    best = max(SHRINKS, key=lambda s: scores[s])
    print(f"shrinkage {best}, validation {scores[best]}", flush=True)
    return tried[best], best


def best_share(
    axes: Weights, probe: ProbeNet, known: Sequence[Corpus]
) -> tuple[float, dict[str, Any]]:
    """How much the learned axes count beside the damped sketch, and the scores with that."""
    tried = {}
    for share in SHARES:
        weights = {k: np.asarray(v, np.float32) for k, v in _weights(axes, probe, share).items()}
        tried[share] = validation(Learned(FAMILY, weights, {}), known)
    best = max(SHARES, key=lambda share: tried[share]["score"])
    return best, tried[best]


def validation(learned: Learned, known: Sequence[Corpus]) -> dict[str, Any]:
    """R@1 and mAP of the probe by kind and split; `score` is the mean of the mAPs."""
    found: dict[str, Any] = {}
    for corpus in known:
        row = DescriptorRow("probe", corpus.sketches, lambda: Probe(learned), "learned")
        answers = figures(retrieve(row, corpus, list(folds(corpus))))
        found[corpus.entries[0].kind] = {
            split: {key: round(f[key], 4) for key in ("r_at_1", "map")}
            for split, f in answers.items()
        }
    maps = [f["map"] for splits in found.values() for f in splits.values()]
    return found | {"score": round(float(np.mean(maps)), 4)}


def least_of(learned: Learned, known: Sequence[Corpus], judge: nn.Module) -> dict[str, float]:
    """The cosine that all but `ALPHA` of the true matches on validation reach: new pictures of an
    artist, a few or many, and texts, each with every single adapter they are true of."""
    found: dict[str, list[Array]] = {"pictures": [], "words": []}
    for corpus in known:
        gallery = learned.aligned(corpus.sketches)
        shown = never_seen(corpus, SIZE)
        for count in SHOWN:
            features = aligned_inputs([pictures[:count] for pictures in shown], judge)
            asked = learned.picture_features(features)[corpus.artist]
            found["pictures"].append((asked * gallery).sum(1))
        about = texts_about(corpus, np.arange(len(corpus.entries)))
        if about.texts:
            scores = learned.words(about.texts) @ gallery.T
            found["words"].append(scores[about.relevant])
    quantiles = {k: np.quantile(np.concatenate(v), ALPHA) for k, v in found.items() if v}
    return {kind: round(float(value), 4) for kind, value in quantiles.items()}


def train_probe(
    examples: Examples, crossed: CrossFitted, plan: FitConfig, folder: Path, device: str,
    minutes: float,
) -> ProbeNet:  # fmt: skip
    torch.manual_seed(plan.seed)

    def begin(step: int) -> Loss:
        drawn = Augmented(examples, [plan.seed, step])

        def loss(model: nn.Module) -> Losses:
            assert isinstance(model, ProbeNet)
            artists = drawn.artists(ARTISTS, EACH_GROUP)
            rows = drawn.rows(artists, EACH)
            z = crossed(rows, drawn.vectors(rows), examples.facts[rows])
            vectors = F.normalize(model(_tensor(z, device)))
            member = torch.arange(len(artists), device=device).repeat_interleave(EACH)
            return {"artist": against_prototypes(vectors, member, EACH_GROUP, model.scale,
                                                 model.bias)}  # fmt: skip

        return loss

    trained, _ = fit(folder, ProbeNet(crossed.width), begin, plan, minutes, device)
    assert isinstance(trained, ProbeNet)
    return trained.cpu()


def train_aligned(
    examples: Examples, crossed: CrossFitted, probe: ProbeNet, judge: nn.Module, plan: FitConfig,
    folder: Path, device: str, minutes: float,
) -> AlignedNet:  # fmt: skip
    """Adapters against pictures, adapters against words, pictures against words."""
    torch.manual_seed(plan.seed)
    pictures, said = picture_table(examples.entries, judge), text_table(examples.entries)
    worded = np.array([bool(texts) for texts in said])
    if not worded.any():
        raise LorariumError("the language has no word for any artist of the train split")

    def begin(step: int) -> Loss:
        drawn = Augmented(examples, [plan.seed, step])

        def loss(model: nn.Module) -> Losses:
            assert isinstance(model, AlignedNet)
            random = drawn.random
            artists = random.permutation(np.flatnonzero(worded))[: plan.batch]
            rows = drawn.rows(artists, 1)
            z = crossed(rows, drawn.vectors(rows), examples.facts[rows])
            with torch.no_grad():
                inner = probe(torch.from_numpy(z))
            texts = [said[a][int(random.integers(2))] for a in artists]
            a, p, w = model(
                inner.to(device),
                _tensor(_some(pictures[artists], random), device),
                torch.tensor([tokens(text) for text in texts], device=device),
            )
            true = np.array([[text in said[i] for text in texts] for i in artists])
            also = torch.from_numpy(true & ~np.eye(len(true), dtype=bool)).to(device)
            return {
                "pictures": contrast(a, p, model.scale),
                "words": contrast(a, w, model.scale, also),
                "said": 0.5 * contrast(p, w, model.scale, also),
            }

        return loss

    net = AlignedNet(crossed.width, pictures.shape[-1])
    trained, _ = fit(folder, net, begin, plan, minutes, device)
    assert isinstance(trained, AlignedNet)
    return trained.cpu()


def _some(pictures: Array, random: np.random.Generator) -> Array:
    """Means (n, f) over some of each one's pictures (n, POOL, f)."""
    chosen = random.random(pictures.shape[:2]).argsort(1)[:, : int(random.integers(3, 17))]
    return np.take_along_axis(pictures, chosen[..., None], 1).mean(1)


def _tensor(x: Array, device: str) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x, np.float32)).to(device)


def _weights(axes: Weights, probe: ProbeNet, share: float) -> Weights:
    return axes | probe.tower.weights("probe") | {"probe.share": np.array([share])}


def wins(card: Mapping[str, Any], path: Path) -> bool:
    """Better on validation than what is shipped for the same base."""
    try:
        old = load_learned(path).card
    except LorariumError:
        return True
    if old.get("base_hash") != card["base_hash"]:
        return True
    return bool(card["scores"]["validation"]["score"] > old["scores"]["validation"]["score"])


def save_learned(path: Path, weights: Weights, card: Mapping[str, Any]) -> None:
    """Half precision, written beside and renamed; the card also lies beside it, for people."""
    path.parent.mkdir(parents=True, exist_ok=True)
    held = {k: np.ascontiguousarray(v, np.float16) for k, v in weights.items()}
    held |= {k: np.ascontiguousarray(weights[k], np.float32) for k in ("facts.mean", "facts.scale")}
    fresh = path.with_suffix(".new")
    save_file(held, fresh, {"format": FORMAT, "card": json.dumps(card, sort_keys=True)})
    fresh.rename(path)
    path.with_suffix(".json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")


def shortened(plan: FitConfig, steps: int) -> FitConfig:
    return replace(plan, total=steps * plan.batch)
