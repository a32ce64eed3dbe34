"""`synthesize`: reference pictures -> an adapter, in one pass of the generator."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import Tensor

import lorarium.synthesis.novelty as novelty
from lorarium import __version__
from lorarium.adapter import Adapter, Delta, LowRank, Module
from lorarium.algebra import recompress
from lorarium.bases.base import Base
from lorarium.encoders.encode import as_input
from lorarium.errors import LorariumError, quoted
from lorarium.formats.families.embedded import ships
from lorarium.synthesis.net import KINDS, Generator
from lorarium.synthesis.store import Synth
from lorarium.training.fit import fit
from lorarium.training.recipe import Job, Recipe, defaults
from lorarium.training.trigger import PHRASE

AT_ONCE = 12  # pictures that the generator learned to read together
REFINE = Recipe(steps=20, batch=8, lr=2e-3, warmup=3)
MOST_EDIT = 10.0
ANSWERS_TO = {"style": "in sty1", "subject": "sub1"}  # whatever the pictures show
EDIT = "edit."  # head of the directions' names among the extras


@dataclass(frozen=True, eq=False, repr=False)
class SynthesisResult:
    """An adapter, and what there is to say about the pictures that it came from."""

    adapter: Adapter
    distance: float = 0.0  # 1 is what is usual for artists or individuals never seen
    nearer: float = 0.0  # share of such pictures that are nearer to something seen
    agreement: tuple[float, ...] = ()  # of each picture with the others
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0

    def __repr__(self) -> str:
        notes = "".join(f"; {warning}" for warning in self.warnings)
        return f"SynthesisResult({self.adapter!r}, distance {self.distance:.2f}{notes})"


def synthesize(
    synth: Synth,
    base: Base,
    pictures: np.ndarray,
    *,
    kind: str = "style",
    rank: int | None = None,
    edits: Mapping[str, float] | None = None,
    about: Mapping[str, str] | None = None,
) -> SynthesisResult:
    """A LoRA from pictures (n, h, w, 3) uint8 of one artist or one individual.

    `edits` moves it along named directions, see `directions`; a lower `rank` than the generator's
    is its optimal truncation.

    >>> synthesize(load_synth(base=base), base, pictures).adapter
    """
    started = time.perf_counter()
    _check(synth, base, pictures, kind, rank)
    with torch.no_grad():
        seen = synth.net.eyes(as_input(pictures).to(base.device))
        answers = condition(synth, seen, kind)
        for name, amount in (edits or {}).items():
            answers = answers + amount * direction(synth, kind, name).to(answers.device)
        adapter = written(synth.net, base, answers)
    if rank is not None and rank < synth.net.config.rank:
        adapter, _ = recompress(adapter, rank=rank)
    seconds = time.perf_counter() - started
    far, nearer = novelty.distances(synth.extras, seen, kind)
    distance = float(far.mean()) / novelty.typical(synth.extras, kind)
    agree = novelty.agreement(seen, kind).tolist() if len(pictures) > 1 else []
    metadata = _metadata(synth, base, pictures, kind, rank) | dict(about or {})
    metadata["lorarium.distance"] = f"{distance:.3f}"
    if edits:
        metadata["lorarium.edits"] = json.dumps(dict(edits), sort_keys=True)
    adapter = adapter.with_(metadata=metadata)
    made = SynthesisResult(adapter, distance, float(nearer.mean()), tuple(agree), (), seconds)
    return replace(made, warnings=tuple(_warnings(synth, made, kind)))


def condition(synth: Synth, seen: Tensor, kind: str) -> Tensor:
    """What the generator understood, (1, queries, width); more pictures than it learned to read
    at once are read in shares."""
    which = torch.tensor([KINDS.index(kind)], device=seen.device)
    shares = seen.tensor_split(-(-len(seen) // AT_ONCE))
    weights = [len(share) / len(seen) for share in shares]
    parts = [
        w * synth.net.query_answers(s[None], which) for s, w in zip(shares, weights, strict=True)
    ]
    return torch.stack(parts).sum(0)


def directions(synth: Synth, kind: str) -> list[str]:
    """Names that an edit may have."""
    head = f"{EDIT}{kind}."
    return sorted(k.removeprefix(head) for k in synth.extras if k.startswith(head))


def direction(synth: Synth, kind: str, name: str) -> Tensor:
    known = directions(synth, kind)
    if name not in known:
        raise LorariumError(
            f"no edit of a {kind} is called {quoted(name)}", hint="there are " + ", ".join(known)
        )
    return synth.extras[f"{EDIT}{kind}.{name}"]


def refined(
    base: Base,
    made: SynthesisResult,
    pictures: np.ndarray,
    prompts: Sequence[str],
    steps: int,
    *,
    seed: int = 0,
    recipe: Recipe = REFINE,
) -> SynthesisResult:
    """A few training steps on the pictures, from the generated factors."""
    rank = max(int(d.rank or 0) for _, d in made.adapter.items())
    recipe = replace(recipe, rank=rank, alpha=float(rank), steps=steps)
    if not ships(base.family):
        usual = defaults(base.family, prompts[0])
        recipe = replace(recipe, optimizer=usual.optimizer, lr=usual.lr, batch=1)
    job = Job(pictures, tuple(prompts), recipe, seed, begin=made.adapter)
    started = time.perf_counter()
    (adapter,) = fit(base, [job])
    seconds = made.seconds + time.perf_counter() - started
    about = {
        **made.adapter.metadata,
        "lorarium.refine": json.dumps(asdict(recipe)),
        "lorarium.seed": str(seed),
        "ss_steps": str(steps),
    }
    return replace(made, adapter=adapter.with_(metadata=about), seconds=seconds)


def written(net: Generator, base: Base, answers: Tensor) -> Adapter:
    """The adapter of what the queries found in the pictures."""
    deltas: dict[Module, Delta] = {}
    factors = net.factors(answers)
    for (part, path, _, _), (down, up) in zip(net.config.modules, factors, strict=True):
        deltas[Module(part, path)] = LowRank(up[0].cpu().numpy().copy(), down.cpu().numpy().copy())
    return Adapter(deltas, base.family, {}, dialect="diffusers")


def _check(synth: Synth, base: Base, pictures: np.ndarray, kind: str, rank: int | None) -> None:
    if kind not in KINDS:
        raise LorariumError(f"no kind {quoted(kind)}", hint="style or subject")
    if len(pictures) == 0:
        raise LorariumError("no pictures were given")
    own = synth.net.config.rank
    if rank is not None and not 1 <= rank <= own:
        raise LorariumError(f"rank {rank}", hint=f"the generator has ranks 1 to {own}")
    wanted = synth.card.get("base_hash")
    if wanted and wanted != base.hash:
        raise LorariumError(f"the generator writes for base {str(wanted)[:12]}, not this one")


def _warnings(synth: Synth, made: SynthesisResult, kind: str) -> list[str]:
    warnings = []
    if made.nearer >= novelty.FAR:
        warnings.append(
            f"the pictures are far from anything seen: {made.distance:.1f} times the usual distance"
        )
    limit = synth.card.get("agreement", {}).get(kind, -1.0)
    odd = [str(i + 1) for i, value in enumerate(made.agreement) if value < limit]
    if odd and len(made.agreement) == 2:
        warnings.append("the two pictures differ too much to share one " + kind)
    elif odd:
        numbers = ", ".join(odd[:8]) + (", ..." if len(odd) > 8 else "")
        warnings.append(f"of {len(made.agreement)} pictures these differ from the rest: {numbers}")
    return warnings


def _metadata(
    synth: Synth, base: Base, pictures: np.ndarray, kind: str, rank: int | None
) -> dict[str, str]:
    prints = [hashlib.sha256(np.ascontiguousarray(p).data).hexdigest()[:16] for p in pictures[:64]]
    rank = rank or synth.net.config.rank
    return {
        "lorarium.version": __version__,
        "lorarium.kind": "synth",
        "lorarium.kind_of": kind,
        "lorarium.base": base.family,
        "lorarium.base_hash": base.hash,
        "lorarium.generator": synth.hash,
        "lorarium.pictures": json.dumps(prints),
        PHRASE: ANSWERS_TO[kind],
        "ss_base_model_version": base.family,
        "ss_network_module": "lorarium.synth",
        "ss_network_dim": str(rank),
        "ss_network_alpha": str(float(rank)),
        "ss_num_train_images": str(len(pictures)),
    }
