"""The loop all encoders learn by: time-boxed, resumable, the same on CPU and GPU.

Muon (Jordan 2024) on the matrices, kernels taken as matrices, AdamW on the rest: on these small
networks that needs about a third of AdamW's steps.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lorarium.encoders.muon import Muon
from lorarium.errors import TimeIsOver
from lorarium.files import open_regular
from lorarium.trained import SAVED_EVERY


@dataclass(frozen=True)
class FitConfig:
    total: int  # pictures
    batch: int
    muon: float = 4e-3  # rate of the matrices, matched to AdamW's
    adam: float = 3e-3  # rate of everything else
    decay: float = 0.8  # last part of the run, or of its time, in which the rates fall to 0.01
    warmup: int = 40  # steps
    ema: float = 0.997
    clip: float = 10.0
    seed: int = 1


Losses = dict[str, Tensor]
Loss = Callable[[nn.Module], Losses]


def fit(
    folder: Path, model: nn.Module, begin: Callable[[int], Loss], config: FitConfig,
    minutes: float, device: str, *, by_time: bool = True,
) -> tuple[nn.Module, dict[str, float]]:  # fmt: skip
    """Go on for so many minutes towards `config.total` pictures.

    `begin(step)` makes the loss of a run that goes on from that step, so that it need not draw
    again what was drawn before; the loss draws its own batches and its values are summed. Returns
    the model with the running average of its weights, and how far it is. Rates fall towards the end
    of the run, and `by_time` towards that of its minutes: without it only a run that is at its end
    gives a model, which is the same however often it was interrupted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, p in model.named_parameters():
        plain = p.ndim in (2, 4) and min(p.shape[0], p[0].numel()) >= 32
        (matrices if plain and "words" not in name and "say" not in name else rest).append(p)
    if not matrices:  # an optimiser of nothing is an error
        matrices.append(nn.Parameter(torch.zeros(1, 1, device=device)))
    muon = Muon(matrices, lr=config.muon, momentum=0.95, weight_decay=0.01)
    adam = torch.optim.AdamW(rest, lr=config.adam, betas=(0.9, 0.98), weight_decay=0.0)
    averaged = {n: p.detach().clone() for n, p in model.named_parameters()}
    step, seconds = 0, 0.0
    if checkpoint.exists():
        with open_regular(checkpoint) as file:
            state = torch.load(file, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        averaged = state["averaged"]
        muon.load_state_dict(state["muon"])
        adam.load_state_dict(state["adam"])
        step, seconds = state["step"], state["seconds"]
    started = reported = saved = time.time()

    def save() -> None:
        nonlocal saved
        saved = time.time()
        state = {
            "model": model.state_dict(), "averaged": averaged, "muon": muon.state_dict(),
            "adam": adam.state_dict(), "step": step, "seconds": seconds + time.time() - started,
        }  # fmt: skip
        torch.save(state, checkpoint.with_suffix(".new"))
        checkpoint.with_suffix(".new").rename(checkpoint)

    steps = config.total // config.batch
    loss = begin(step)
    recent: list[Losses] = []
    model.train()
    try:
        while step < steps and time.time() - started < minutes * 60:
            left = (steps - step) / steps
            soon = 1 - (time.time() - started) / (minutes * 60) if by_time else 1.0
            cool = max(0.01, min(1.0, left / config.decay, soon / config.decay))
            heat = min(1.0, (step + 1) / config.warmup) * cool
            muon.param_groups[0]["lr"] = config.muon * heat
            adam.param_groups[0]["lr"] = config.adam * heat
            parts = loss(model)
            for p in model.parameters():
                p.grad = None
            torch.stack(list(parts.values())).sum().backward()
            nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            muon.step()
            adam.step()
            step += 1
            with torch.no_grad():
                keep = min(config.ema, (1 + step) / (10 + step))
                for name, p in model.named_parameters():
                    averaged[name].lerp_(p, 1 - keep)
            recent.append({k: v.detach() for k, v in parts.items()})
            if step % 50 == 0:
                means = {
                    k: round(float(torch.stack([r[k] for r in recent]).mean()), 4) for k in parts
                }
                speed = round(len(recent) * config.batch / (time.time() - reported), 1)
                line = json.dumps({"step": step, "pictures": step * config.batch, **means,
                                   "per_second": speed})  # fmt: skip
                recent, reported = [], time.time()
                print(line, flush=True)
                with open(folder / "log.jsonl", "a") as log:
                    log.write(line + "\n")
            if time.time() - saved > SAVED_EVERY:
                save()
    finally:
        save()
    if step < steps:
        over = TimeIsOver(
            f"the time is over: {step} of {steps} steps", hint="run it again to go on"
        )
        if not by_time:
            raise over
        print(str(over), flush=True)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(averaged[name])
    spent = {
        "pictures": float(step * config.batch),
        "seconds": round(seconds + time.time() - started, 1),
    }
    return model.eval(), spent
