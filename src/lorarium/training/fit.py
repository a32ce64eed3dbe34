"""The trainer: K adapters as one batch through a frozen base. K = 1 is ordinary training.

All factors lie in one table (K, P), a row per adapter, so that the optimizer is a few lines for
any K and each row goes its own way: its own rate, clipping and random numbers. Ranks are padded
with zeros, which stay zeros; a module that an adapter lacks has scale 0 there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lorarium import __version__
from lorarium.adapter import Adapter, Delta, LowRank, Module
from lorarium.bases.base import Base, Text, joined, losses, modules, take
from lorarium.bases.branches import Branch, applied
from lorarium.encoders.muon import orthogonalised
from lorarium.errors import LorariumError
from lorarium.training import chance
from lorarium.training.recipe import Job
from lorarium.training.trigger import PHRASE, kind_named, trigger_phrase

BETA1, BETA2, EPS = 0.9, 0.99, 1e-8
MOMENTUM, FAINT = 0.9, 1e-4  # of Muon
TOGETHER = ("steps", "batch", "optimizer")  # one for all adapters of a batch


@dataclass(frozen=True)
class _Slot:
    """Where a module's factors stand in a row of the table."""

    module: Module
    down: tuple[int, ...]  # (rank, in...)
    up: tuple[int, int]  # (out, rank)


class Fit:
    """The state of a training run; `step` goes one step on and returns each adapter's loss."""

    def __init__(self, base: Base, jobs: Sequence[Job]) -> None:
        first = jobs[0].recipe
        for job in jobs:
            if any(getattr(job.recipe, name) != getattr(first, name) for name in TOGETHER):
                raise LorariumError(f"adapters of one batch need equal {', '.join(TOGETHER)}")
        self.base, self.jobs = base, list(jobs)
        self.steps, self.done = first.steps, 0
        self.adapts_text = any(job.recipe.text_encoder for job in jobs)
        self._shapes = [modules(base, j.recipe.targets, j.recipe.parts) for j in jobs]
        for job, shapes in zip(jobs, self._shapes, strict=True):
            if lost := set(job.begin or ()) - set(shapes):
                raise LorariumError(
                    "the adapter to go on from changes what is not trained",
                    where=str(min(lost)), hint="choose other --targets",
                )  # fmt: skip
        self.slots = self._layout()
        device = base.device
        self.table = self._start().to(device).requires_grad_(True)
        self.moment1 = torch.zeros_like(self.table, requires_grad=False)
        self.moment2 = torch.zeros_like(self.table, requires_grad=False)
        self.rates = torch.tensor([[j.recipe.lr] for j in jobs], device=device)
        self.clips = torch.tensor([[j.recipe.clip] for j in jobs], device=device)
        self.seeds = torch.tensor([j.seed for j in jobs], device=device)
        self.scales = {slot.module: self._scales(slot.module) for slot in self.slots}
        self.plan = [_Plan(base, job) for job in jobs]
        self._prepare_pictures()

    def _layout(self) -> list[_Slot]:
        all_shapes = {m: shape for shapes in self._shapes for m, shape in shapes.items()}
        slots = []
        for module, shape in sorted(all_shapes.items()):
            rank = max(
                _rank(job, shape)
                for job, shapes in zip(self.jobs, self._shapes, strict=True)
                if module in shapes
            )
            slots.append(_Slot(module, (rank, *shape[1:]), (shape[0], rank)))
        if not slots:
            raise LorariumError("the base has no such modules to adapt")
        return slots

    def _start(self) -> Tensor:
        """A uniform as PEFT starts it (Kaiming, a = sqrt 5), B zero; by (seed, module, rank)."""
        rows = []
        seeds = torch.tensor([j.start for j in self.jobs])
        for place, slot in _numbered(self.slots, self.base):
            bound = prod(slot.down[1:]) ** -0.5
            down = torch.zeros(len(self.jobs), *slot.down)
            up = torch.zeros(len(self.jobs), *slot.up)
            for k, job in enumerate(self.jobs):
                if job.begin is not None and slot.module in job.begin:
                    begin_at(job, slot.module, down[k], up[k])
                    continue
                rank = _rank(job, (slot.up[0], *slot.down[1:]))
                shape = (rank, *slot.down[1:])
                share = chance.uniform(seeds[k : k + 1], chance.START, place, shape)[0]
                down[k, :rank] = (2 * share - 1) * bound
            rows += [down.flatten(1), up.flatten(1)]
        return torch.cat(rows, 1)

    def _scales(self, module: Module) -> Tensor | None:
        """alpha / rank of each adapter, (K, 1); None when it is 1 for all."""
        scales = [
            job.recipe.alpha / job.recipe.rank if module in shapes else 0.0
            for job, shapes in zip(self.jobs, self._shapes, strict=True)
        ]
        if set(scales) == {1.0}:
            return None
        return torch.tensor(scales, device=self.base.device)[:, None]

    @torch.no_grad()
    def _prepare_pictures(self) -> None:
        """Latents of all pictures, and the text of all prompts unless it is being adapted."""
        latents, self.prompts = [], [""]
        for job in self.jobs:
            for pictures in (job.training_pictures, job.prior_pictures):
                if pictures is not None:
                    latents.append(_encoded(self.base, pictures))
            self.prompts += [*job.training_prompts, *job.prior_prompts]
        self.latents = torch.cat(latents)
        self.text: Text | None = None
        if not self.adapts_text:
            unique = {p: i for i, p in enumerate(dict.fromkeys(self.prompts))}
            self.text = _in_pieces(self.base, list(unique))
            self._text_row = torch.tensor([unique[p] for p in self.prompts])

    def branches(self, table: Tensor | None = None) -> dict[Module, Branch]:
        """What runs beside the base's layers: differentiable views of the table."""
        pieces = self._factors(self.table if table is None else table)
        branches = {}
        for i, slot in enumerate(self.slots):
            down, up = pieces[2 * i], pieces[2 * i + 1]
            branches[slot.module] = Branch(down, up, self.scales[slot.module])
        return branches

    def _factors(self, table: Tensor) -> list[Tensor]:
        """Views of a table's rows: of each slot down and up."""
        shapes = [shape for slot in self.slots for shape in (slot.down, slot.up)]
        pieces = table.split([prod(shape) for shape in shapes], 1)
        return [piece.unflatten(1, shape) for piece, shape in zip(pieces, shapes, strict=True)]

    def step(self) -> Tensor:
        """One step of every adapter; the losses (K,) before it."""
        values = self._losses()
        (gradient,) = torch.autograd.grad(values.sum(), self.table)
        self._update(gradient)
        self.done += 1
        return values.detach()

    def _losses(self) -> Tensor:
        i, base = self.done, self.base
        device = base.device
        index, prompts, times, weights = [], [], [], []
        first, first_prompt = 0, 1
        for plan in self.plan:
            index.append(plan.rows[i] + first)
            prompts.append(np.where(plan.silent[i], 0, plan.rows[i] + first_prompt))
            times.append(plan.times[i])
            weights.append(plan.weights)
            first, first_prompt = first + plan.pictures, first_prompt + plan.pictures
        each = len(index[0])
        x = self.latents[torch.from_numpy(np.concatenate(index)).to(device)].to(device)
        if x.dtype == torch.uint8:
            x = x.float() / 127.5 - 1
        noise = chance.normal(self.seeds, chance.NOISE, i, (each, *x.shape[1:])).flatten(0, 1)
        t = torch.from_numpy(np.concatenate(times)).to(device)
        prompt_index = torch.from_numpy(np.concatenate(prompts))
        with applied(base, self.branches()):
            if self.text is None:
                text = base.encode([self.prompts[j] for j in prompt_index.tolist()])
            else:
                text = take(self.text, self._text_row[prompt_index].to(device))
            rows = losses(base, x, text, t, noise)
        weight = torch.from_numpy(np.stack(weights)).to(device)
        return (rows.view(len(self.jobs), each) * weight).sum(1)

    def _update(self, gradient: Tensor) -> None:
        """A rate and a clip for each row."""
        heat = [
            heat_at(self.done, j.recipe.steps, j.recipe.warmup, j.recipe.cooldown)
            for j in self.jobs
        ]
        with torch.no_grad():
            norm = gradient.norm(dim=1, keepdim=True)
            gradient.mul_((self.clips / (norm + 1e-6)).clamp(max=1.0))
            rate = self.rates * torch.tensor(heat, device=self.rates.device)[:, None]
            muon = self.jobs[0].recipe.optimizer == "muon"
            move = self._muon(gradient) if muon else self._adam(gradient)
            self.table.sub_(move.mul_(rate))

    def _adam(self, gradient: Tensor) -> Tensor:
        n = self.done + 1
        self.moment1.lerp_(gradient, 1 - BETA1)
        self.moment2.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        size = self.moment2.div(1 - BETA2**n).sqrt_().add_(EPS)
        return self.moment1.div(1 - BETA1**n).div_(size)

    def _muon(self, gradient: Tensor) -> Tensor:
        """Each factor's momentum made orthogonal, as large as Adam's moves are: a root mean square
        of one. Ranks that are padding stay zero, and what is but the rounding of zero stays faint.
        """
        self.moment1.lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp(self.moment1, MOMENTUM)
        ahead /= ahead.norm(dim=1, keepdim=True) + EPS
        factors = self._factors(ahead)
        moves = [factors[0]] * len(factors)
        by_shape: dict[tuple[int, int], list[int]] = {}
        for i, factor in enumerate(factors):
            rows, columns = factor.flatten(2).shape[1:]
            by_shape.setdefault((rows, columns), []).append(i)
        for (rows, columns), same in by_shape.items():
            some = torch.cat([factors[i].flatten(2) for i in same])
            loud = some.norm(dim=(1, 2), keepdim=True)
            move = orthogonalised(some) * (max(rows, columns) ** 0.5 * loud / (loud + FAINT))
            for i, part in zip(same, move.split(len(self.jobs)), strict=True):
                moves[i] = part
        return torch.cat([move.flatten(1) for move in moves], 1)

    def adapters(self) -> list[Adapter]:
        """The adapters as they are now."""
        table = self.table.detach().cpu()
        adapters = []
        for k, (job, shapes) in enumerate(zip(self.jobs, self._shapes, strict=True)):
            deltas: dict[Module, Delta] = {}
            for module, branch in self.branches(table[k : k + 1]).items():
                if module not in shapes:
                    continue
                assert branch.down is not None and branch.up is not None
                rank = _rank(job, shapes[module])
                up = branch.up[0, :, :rank].numpy().copy()
                if len(shapes[module]) == 4:
                    up = up[:, :, None, None]
                down = branch.down[0, :rank].numpy().copy()
                deltas[module] = LowRank(up, down, scale=job.recipe.alpha / job.recipe.rank)
            header = metadata(self.base, job, self.done)
            adapters.append(Adapter(deltas, self.base.family, header, dialect="diffusers"))
        return adapters

    def state(self) -> dict[str, Any]:
        """All that `resume` needs."""
        return {
            "jobs": [job.fingerprint() for job in self.jobs],
            "base": self.base.hash,
            "done": self.done,
            "table": self.table.detach().cpu(),
            "moment1": self.moment1.cpu(),
            "moment2": self.moment2.cpu(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a saved state of the same jobs on the same base."""
        if state["base"] != self.base.hash:
            raise LorariumError("the checkpoint stands on another base")
        if state["jobs"] != [job.fingerprint() for job in self.jobs]:
            raise LorariumError("the checkpoint is of other pictures, prompts or numbers")
        self.done = int(state["done"])
        with torch.no_grad():
            self.table.copy_(state["table"])
            self.moment1.copy_(state["moment1"])
            self.moment2.copy_(state["moment2"])


class _Plan:
    """What each step of one adapter sees: picture rows, times and left-out prompts."""

    def __init__(self, base: Base, job: Job) -> None:
        r = job.recipe
        random = np.random.default_rng((job.seed, 77))
        count, prior_count = len(job.training_prompts), len(job.prior_prompts)
        self.pictures = count + prior_count
        shape = (r.steps, r.batch)
        self.rows = _rounds(count, r.steps * r.batch, random).reshape(shape)
        # one time from each of `batch` strata, so that a small batch sees them all
        strata = random.permuted(np.broadcast_to(np.arange(r.batch), shape), axis=1)
        share = (strata + random.random(shape)) / r.batch
        self.silent = random.random(shape) < r.drop
        self.weights = np.full(r.batch, 1 / r.batch, np.float32)
        if prior_count:
            more = count + _rounds(prior_count, r.steps * r.batch, random).reshape(shape)
            self.rows = np.concatenate([self.rows, more], 1)
            share = np.concatenate([share, random.random(shape)], 1)
            self.silent = np.concatenate([self.silent, np.zeros(shape, bool)], 1)
            self.weights = np.concatenate([self.weights, r.prior * self.weights])
        inside = torch.from_numpy(share.astype(np.float32)).clamp(1e-4, 1 - 1e-4)
        self.times = base.sample_time(inside.flatten()).view(inside.shape).float().cpu().numpy()


def _rounds(count: int, length: int, random: np.random.Generator) -> np.ndarray:
    """Numbers below `count` in shuffled rounds, so that all are seen equally often."""
    rounds = [random.permutation(count) for _ in range(-(-length // count))]
    return np.concatenate(rounds)[:length]


def _rank(job: Job, shape: tuple[int, ...]) -> int:
    """The rank asked for, as far as the module has it."""
    return min(job.recipe.rank, shape[0], prod(shape[1:]))


def _numbered(slots: Sequence[_Slot], base: Base) -> list[tuple[int, _Slot]]:
    """Each module's number among all of the base's: its start is the same in any module set."""
    parts = tuple(base.networks)
    numbers = {module: i for i, module in enumerate(modules(base, "all", parts))}
    return [(numbers[slot.module], slot) for slot in slots]


def begin_at(job: Job, module: Module, down: Tensor, up: Tensor) -> None:
    """Fill one module's factors (r, in...) and (out, r) with those of the job's adapter."""
    assert job.begin is not None
    delta = job.begin[module]
    if not isinstance(delta, LowRank) or delta.mid is not None:
        raise LorariumError("training can only go on from plain LoRA modules", where=str(module))
    if delta.rank > _rank(job, (len(up), *down.shape[1:])):
        raise LorariumError(
            f"rank {delta.rank} cannot go on at rank {job.recipe.rank}", where=str(module),
            hint=f"use --rank {delta.rank}",
        )  # fmt: skip
    A = torch.from_numpy(delta.down.astype(np.float32))
    B = torch.from_numpy(delta.up.astype(np.float32)).reshape(len(up), -1)
    if A[0].numel() != down[0].numel() or len(B) != delta.up.shape[0]:
        raise LorariumError("the adapter to go on from is of another shape", where=str(module))
    down[: delta.rank] = A.reshape(-1, *down.shape[1:])
    up[:, : delta.rank] = B * (delta.scale * job.recipe.rank / job.recipe.alpha)


def heat_at(step: int, steps: int, warmup: int, cooldown: float) -> float:
    """The share of the rate at a step: up in `warmup` steps, down over the last part."""
    up = min(1.0, (step + 1) / max(warmup, 1))
    left = (steps - step) / steps
    return up * (min(1.0, left / cooldown) if cooldown > 0 else 1.0)


def _encoded(base: Base, pictures: np.ndarray) -> Tensor:
    """Latents; a base whose latents are its pixels keeps them as bytes."""
    rows = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous().to(base.device)
    probe = rows[:1].float() / 127.5 - 1
    if base.to_latent(probe) is probe:
        return rows
    pieces = [base.to_latent(piece.float() / 127.5 - 1) for piece in rows.split(4)]
    return torch.cat(pieces)


def _in_pieces(base: Base, prompts: list[str]) -> Text:
    return joined([base.encode(prompts[i : i + 64]) for i in range(0, len(prompts), 64)])


def metadata(base: Base, job: Job, done: int) -> dict[str, str]:
    """What the file says of its making, in kohya's words where there are any."""
    r = job.recipe
    phrase = trigger_phrase(job.prompts)
    words = {PHRASE: phrase, "lorarium.kind_of": kind_named(phrase)}
    return {
        "lorarium.version": __version__,
        "lorarium.kind": "train",
        "lorarium.base": base.family,
        "lorarium.base_hash": base.hash,
        "lorarium.recipe": json.dumps(asdict(r)),
        "lorarium.seed": str(job.seed),
        "lorarium.init_seed": str(job.start),
        "lorarium.job": job.fingerprint(),
        "lorarium.mirror": str(job.mirror).lower(),
        "lorarium.prompts": json.dumps(sorted(set(job.prompts))[:32]),
        "ss_base_model_version": base.family,
        "ss_network_module": "lorarium.train",
        "ss_network_dim": str(r.rank),
        "ss_network_alpha": str(r.alpha),
        "ss_learning_rate": str(r.lr),
        "ss_max_train_steps": str(r.steps),
        "ss_steps": str(done),
        "ss_batch_size_per_device": str(r.batch),
        "ss_num_train_images": str(len(job.pictures)),
        "ss_resolution": str(job.pictures.shape[1]),
        "ss_optimizer": r.optimizer.capitalize(),
        "ss_seed": str(job.seed),
        **{key: text for key, text in words.items() if text},
        **job.about,
    }


def fit(
    base: Base, jobs: Sequence[Job], report: Callable[[Fit, Tensor], None] | None = None
) -> list[Adapter]:
    """Train all jobs as one batch from start to end."""
    run = Fit(base, jobs)
    while run.done < run.steps:
        values = run.step()
        if report is not None:
            report(run, values)
    return run.adapters()
