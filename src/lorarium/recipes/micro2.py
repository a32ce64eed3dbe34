"""Train micro-2, a Stable-Diffusion-type base, on the drawn world, resumable.

    python -m lorarium.recipes micro2 --minutes 170
    python -m lorarium.recipes micro2 --minutes 40 --cool
    python -m lorarium.recipes micro2 --minutes 9 --device cuda

The network says the clean latent (`sample` in diffusers' words); the squared error is weighted as
one of velocities, and how unlike the true picture it looks counts beside it. Rates stay constant
and the running average of the weights is what is used, so a run has no planned end; `cool` lets the
rates fall over the minutes of one last call.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from lorarium.bases.clip_text import TextConfig, TextModel
from lorarium.bases.levels import STEPS, alphas_bar, noisy
from lorarium.bases.micro2 import (
    LEAST_NOISE,
    TIME_MEAN,
    TIME_SPREAD,
    TOKENS,
    base_of,
    framed,
)
from lorarium.bases.micro2_folder import ASSET, load_folder, save_folder, trained_with
from lorarium.bases.transformer import Transformer, TransformerConfig
from lorarium.encoders.look import Look
from lorarium.encoders.muon import Muon
from lorarium.files import exists
from lorarium.recipes.base import PicturePool
from lorarium.recipes.rendered_ahead import RenderedAhead
from lorarium.recipes.together import Together, processes, train_together
from lorarium.recipes.training_log import TrainingLog


@dataclass(frozen=True)
class Micro2Recipe:
    batch: int = 128
    muon: float = 4e-3  # rate of matrices and kernels
    adam: float = 1e-3  # rate of everything else
    warmup: int = 100  # steps
    ema: float = 0.999
    drop: float = 0.1  # prompts left out, for guidance
    fresh: float = 0.3  # share of a batch that is newly rendered
    pool: int = 24_000  # pictures kept
    start_pool: int = 6_000  # rendered before the first step
    report: int = 50  # steps between two lines of the log
    seed: int = 2
    look: float = 0.3  # what the look of clean pictures counts beside their squared error
    look_until: int = 700  # the noise step above which it does not


OWN = 1_000_003  # how far apart the seeds of peers are
RUN = Path("runs/micro2")
CUDA = Micro2Recipe(batch=1024, ema=0.998, warmup=200, pool=200_000, start_pool=20_000)
# weights that are no matrices between two hidden spaces
AT_THE_EDGE = ("embed", "table", "unet.adaln", "unet.proj_", "detailer.first", "detailer.last")


class Pair(nn.Module):
    """What is trained together: the network of pictures and its text encoder."""

    def __init__(self, unet: TransformerConfig, text: TextConfig) -> None:
        super().__init__()
        self.unet, self.text = Transformer(unet), TextModel(text)

    def forward(self, x: Tensor, step: Tensor, tokens: Tensor) -> Tensor:
        return self.unet(x, step, self.text(tokens))


def fresh_pair(unet: TransformerConfig, text: TextConfig) -> Pair:
    pair = Pair(unet, text)
    nn.init.normal_(pair.text.embeddings.token_embedding.weight, std=0.3)
    nn.init.normal_(pair.text.embeddings.position_embedding.weight, std=0.05)
    return pair


def loss(
    pair: Pair, x: Tensor, tokens: Tensor, random: torch.Generator,
    look: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
) -> Tensor:  # fmt: skip
    """`look(made, true, step)` is added where it is given."""
    n, device = len(x), x.device
    t = torch.sigmoid(TIME_MEAN + TIME_SPREAD * torch.randn(n, generator=random, device=device))
    step = (t * STEPS).long().clamp(0, STEPS - 1)
    noise = torch.randn(x.shape, generator=random, device=device)
    latents = noisy(x, step, noise)
    with _fast_numbers(device):
        prediction = pair(latents, step, tokens).float()
    weight = 1 / (1 - alphas_bar().to(device)[step]).clamp(min=LEAST_NOISE**2)
    error = (weight * (prediction - x).square().mean((1, 2, 3))).mean()
    return error if look is None else error + look(prediction, x, step)


def looked_at(
    recipe: Micro2Recipe, device: str = "cpu"
) -> Callable[[Tensor, Tensor, Tensor], Tensor] | None:
    """What the recipe asks of the look of clean pictures."""
    if not recipe.look:
        return None
    look = Look().to(device)

    def seen(made: Tensor, true: Tensor, step: Tensor) -> Tensor:
        clear = step < recipe.look_until
        return recipe.look * look(made[clear], true[clear]).sum() / len(made)

    return seen


def _fast_numbers(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """bfloat16 where matrices of it are fast."""
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16)
    return contextlib.nullcontext()


def optimizers(pair: Pair, r: Micro2Recipe) -> list[torch.optim.Optimizer]:
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, p in pair.named_parameters():
        plain = p.ndim in (2, 4) and not any(word in name for word in AT_THE_EDGE)
        (matrices if plain else rest).append(p)
    return [Muon(matrices, lr=r.muon), torch.optim.AdamW(rest, lr=r.adam, betas=(0.9, 0.98),
                                                         weight_decay=0.0)]  # fmt: skip


def go_on(
    folder: Path, minutes: float, recipe: Micro2Recipe | None = None,
    unet: TransformerConfig | None = None, cool: bool = False, start: Path | None = None,
    max_steps: int | None = None, device: str = "cpu", workers: int = 0,
    peers: Together | None = None,
) -> None:  # fmt: skip
    """Go on with the run in a folder for so many minutes. A new one may begin with `start`, weights
    of an earlier run's checkpoint. `max_steps` are taken at the most; `workers` are processes that
    render, `peers` those that train with this one."""
    recipe, unet = recipe or Micro2Recipe(), unet or TransformerConfig()
    peers = peers or Together()
    share = peers.share(recipe.batch)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    torch.manual_seed(recipe.seed)
    text = TextConfig(TOKENS, hidden_size=unet.text_width)
    pair = fresh_pair(unet, text)
    pair.to(device)
    step, seconds, before = 0, 0.0, 0
    state = None
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        step, seconds, before = state["step"], state["seconds"], state.get("before", 0)
    own = OWN * peers.number  # nobody sees what another does
    pool_seed = recipe.seed + 1000 * step + before + own
    pool = (
        RenderedAhead(unet.size, recipe.pool, pool_seed, workers)
        if workers
        else PicturePool(unet.size, recipe.pool, pool_seed)
    )
    pool.render(recipe.start_pool)
    if state is None and start is not None:
        weights = torch.load(start, map_location="cpu", weights_only=True)
        pair.load_state_dict(weights["averaged"])
        before = weights["pictures"]
    averaged = {n: p.detach().clone() for n, p in pair.named_parameters()}
    optims = optimizers(pair, recipe)
    if state is not None:
        pair.load_state_dict(state["model"])
        averaged = {n: p.to(device) for n, p in state["averaged"].items()}
        for o, s in zip(optims, state["optimizers"], strict=True):
            o.load_state_dict(s)
    rates = (recipe.muon, recipe.adam)
    random = torch.Generator(device).manual_seed(recipe.seed + step + own)
    log = TrainingLog(folder, recipe.batch, recipe.report)
    look = looked_at(recipe, device)
    started = saved = time.time()

    def save() -> None:
        if not peers.first:
            return
        torch.save({
            "model": pair.state_dict(), "averaged": averaged,
            "optimizers": [o.state_dict() for o in optims], "step": step, "before": before,
            "pictures": before + step * recipe.batch, "unet": asdict(unet), "text": asdict(text),
            "recipe": asdict(recipe), "seconds": seconds + time.time() - started,
        }, checkpoint.with_suffix(".new"))  # fmt: skip
        checkpoint.with_suffix(".new").rename(checkpoint)

    begun = step
    try:
        while peers.all_say(
            time.time() - started < minutes * 60 and (max_steps is None or step - begun < max_steps)
        ):
            gone = (time.time() - started) / (minutes * 60)
            heat = min(1.0, (step + 1) / recipe.warmup, (step - begun + 1) / 20)
            heat *= max(0.02, 1 - gone) if cool else 1.0
            for o, rate in zip(optims, rates, strict=True):
                o.param_groups[0]["lr"] = rate * heat
            x, words = pool.batch(share, recipe.fresh)
            x, words = x.to(device), words.to(device)
            keep = torch.rand(len(words), 1, generator=random, device=device) >= recipe.drop
            value = loss(pair, x, framed(words * keep), random, look)
            value.backward()
            peers.mean_gradients(pair.parameters())
            nn.utils.clip_grad_norm_(pair.parameters(), 1.0)
            for o in optims:
                o.step()
                o.zero_grad()
            step += 1
            with torch.no_grad():
                old = min(recipe.ema, (1 + step) / (10 + step))
                torch._foreach_lerp_(list(averaged.values()), list(pair.parameters()), 1 - old)
            if peers.first:
                log.add(step, before + step * recipe.batch, value)
            if time.time() - saved > 300:
                save()
                saved = time.time()
    finally:
        save()
        pool.close()


def _with_peers(folder: Path, minutes: float, start: Path, cool: bool, peers: Together) -> None:
    go_on(folder, minutes, start=start, cool=cool, peers=peers)


def run(device: str, minutes: float, *, cool: bool = False, folder: Path = RUN) -> None:
    """Go on with the run, which begins with what ships or else with what grows out of micro-1; what
    its averaged weights are by then is written as a pipeline folder.

    With `cool`, and always on a GPU, whose minutes are counted, the rates fall over this call."""
    start = folder / "start.pt"
    if not start.exists():
        begin(start)
    if device != "cpu":
        workers = max(1, (os.cpu_count() or 2) - 1)
        go_on(folder, minutes, CUDA, cool=True, start=start, device=device, workers=workers)
    else:
        train_together(partial(_with_peers, folder, minutes, start, cool), processes())
    state = torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)
    made = {name: state[name] for name in ("pictures", "recipe")}
    made["grown_from"] = torch.load(start, map_location="cpu", weights_only=True)["grown_from"]
    save_folder(base_of(state), folder / "pipeline", {"trained": made})
    print(f"{folder / 'pipeline'}: {state['pictures']:,} pictures", flush=True)


def begin(start: Path) -> None:
    """Write the weights that a run begins with."""
    from lorarium.recipes.grow import first_weights

    if not exists(ASSET):
        first_weights(start)
        return
    base, card = load_folder(ASSET), trained_with(ASSET)
    pair = fresh_pair(
        base.unet.config, replace(base.text_encoder.text_model.config, vocab_size=TOKENS)
    )
    weights = dict(pair.named_parameters())
    for name, part in (("unet", base.unet), ("text", base.text_encoder.text_model)):
        for key, value in part.named_parameters():
            weights[f"{name}.{key}"].data[: len(value)] = value  # the table that ships is shorter
    start.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"averaged": weights, **{k: card[k] for k in ("pictures", "grown_from")}}, start)
