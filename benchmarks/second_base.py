"""A second pipeline to adopt, of another kind than ours: SDXL's, small, trained on the drawn world.

    python benchmarks/second_base.py FOLDER --minutes 120     # goes on where it stopped
    lorarium adopt FOLDER/pipeline

Two text encoders of other widths, pooled words and sizes as SDXL takes them, a UNet of diffusers
that says velocities, pixels for latents. Nothing of it is shared with micro-1 or micro-2 but the
world and its tokens.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import transformers
from diffusers import DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from torch import Tensor, nn

from lorarium.bases.levels import STEPS, alphas_bar
from lorarium.bases.micro2 import END, START, TOKENS, framed
from lorarium.bases.micro2_folder import SCHEDULER, write_tokenizer
from lorarium.bases.micro2_parts import Pixels
from lorarium.encoders.muon import Muon
from lorarium.recipes.base import PicturePool
from lorarium.recipes.training_log import TrainingLog

SIZE, BATCH, EMA = 48, 64, 0.999
MUON, ADAM = 4e-3, 1e-3
FIRST, SECOND, POOLED, TIMES = 64, 96, 64, 8  # widths of the encoders, of words as one, of a number
SAVED_EVERY = 120  # seconds
UNET = {
    "sample_size": SIZE, "in_channels": 3, "out_channels": 3, "layers_per_block": 1,
    "block_out_channels": (16, 64, 128, 192),
    "down_block_types": ("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D",
                         "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 1, 2, 2), "attention_head_dim": (2, 2, 4, 6),
    "cross_attention_dim": FIRST + SECOND, "norm_num_groups": 8, "use_linear_projection": True,
    "addition_embed_type": "text_time", "addition_time_embed_dim": TIMES,
    "projection_class_embeddings_input_dim": POOLED + 6 * TIMES,
}  # fmt: skip


class SecondBase(nn.Module):
    """What is trained together."""

    def __init__(self) -> None:
        super().__init__()
        self.unet = UNet2DConditionModel(**UNET)
        self.first = transformers.CLIPTextModel(_text(FIRST))
        self.second = transformers.CLIPTextModelWithProjection(_text(SECOND))

    def forward(self, x: Tensor, step: Tensor, tokens: Tensor) -> Tensor:
        one = self.first(tokens, output_hidden_states=True)
        other = self.second(tokens, output_hidden_states=True)
        hidden = torch.cat([one.hidden_states[-2], other.hidden_states[-2]], -1)
        sizes = torch.tensor([[SIZE, SIZE, 0, 0, SIZE, SIZE]]).expand(len(x), -1)
        added = {"text_embeds": other.text_embeds, "time_ids": sizes}
        prediction: Tensor = self.unet(
            x, step, encoder_hidden_states=hidden, added_cond_kwargs=added
        ).sample
        return prediction


def _text(width: int) -> transformers.CLIPTextConfig:
    return transformers.CLIPTextConfig(
        vocab_size=TOKENS, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=3,
        num_attention_heads=4, max_position_embeddings=16, projection_dim=POOLED,
        bos_token_id=START, eos_token_id=END, pad_token_id=0,
    )  # fmt: skip


def loss(model: SecondBase, x: Tensor, tokens: Tensor, random: torch.Generator) -> Tensor:
    """Squared error of velocities, at steps as often as one another."""
    step = torch.randint(STEPS, (len(x),), generator=random)
    bar = alphas_bar()[step][:, None, None, None]
    noise = torch.randn(x.shape, generator=random)
    prediction = model(bar.sqrt() * x + (1 - bar).sqrt() * noise, step, tokens)
    return (prediction - (bar.sqrt() * noise - (1 - bar).sqrt() * x)).square().mean()


def train(folder: Path, minutes: float) -> SecondBase:
    """Go on for so many minutes; the averaged model."""
    torch.manual_seed(3)
    model, kept = SecondBase(), folder / "checkpoint.pt"
    matrices, rest = [], []
    for name, p in model.named_parameters():
        plain = p.ndim in (2, 4) and min(p.shape[0], p[0].numel()) >= 32 and "embed" not in name
        (matrices if plain else rest).append(p)
    optimizers = [Muon(matrices, lr=MUON), torch.optim.AdamW(rest, lr=ADAM, weight_decay=0.0)]
    averaged = {n: p.detach().clone() for n, p in model.named_parameters()}
    step = 0
    if kept.exists():
        state = torch.load(kept, weights_only=True)
        model.load_state_dict(state["model"])
        averaged, step = state["averaged"], state["step"]
        for optimizer, held in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(held)
    pool = PicturePool(SIZE, 24_000, 3 + 1000 * step)
    pool.render(3000)
    random = torch.Generator().manual_seed(3 + step)
    log = TrainingLog(folder, BATCH, 50)
    started = saved = time.time()

    def save() -> None:
        torch.save({"model": model.state_dict(), "averaged": averaged, "step": step,
                    "optimizers": [o.state_dict() for o in optimizers]},
                   kept.with_suffix(".new"))  # fmt: skip
        kept.with_suffix(".new").rename(kept)

    while (gone := (time.time() - started) / (60 * minutes)) < 1:
        heat = min(1.0, (step + 1) / 200) * min(1.0, 4 * (1 - gone) + 0.02)
        for optimizer, rate in zip(optimizers, (MUON, ADAM), strict=True):
            optimizer.param_groups[0]["lr"] = rate * heat
        x, words = pool.batch(BATCH, 0.4)
        keep = torch.rand(len(words), 1, generator=random) >= 0.1
        value = loss(model, x, framed(words * keep), random)
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        step += 1
        with torch.no_grad():
            share = min(EMA, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(averaged.values()), list(model.parameters()), 1 - share)
        log.add(step, step * BATCH, value)
        if time.time() - saved > SAVED_EVERY:
            save()
            saved = time.time()
    save()
    model.load_state_dict({**model.state_dict(), **averaged})
    return model


def write(model: SecondBase, folder: Path) -> None:
    """The pipeline as diffusers has them."""
    write_tokenizer(folder / "tokenizer")
    words = transformers.PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
    StableDiffusionXLPipeline(
        vae=Pixels(), text_encoder=model.first, text_encoder_2=model.second, tokenizer=words,
        tokenizer_2=words, unet=model.unet, add_watermarker=False,
        scheduler=DDIMScheduler.from_config({**SCHEDULER, "prediction_type": "v_prediction"}),
    ).save_pretrained(folder)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=120)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    write(train(asked.folder, asked.minutes), asked.folder / "pipeline")


if __name__ == "__main__":
    main()
