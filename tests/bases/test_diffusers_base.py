"""The same interface on tiny pipelines of diffusers with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lorarium.bases.base import Base, losses, modules, open_base
from lorarium.bases.diffusers_base import from_pipeline
from lorarium.bases.sampling import sample
from lorarium.bases.stack import each
from lorarium.errors import LorariumError
from lorarium.training.fit import fit
from lorarium.training.recipe import Job, Recipe
from tests.bases.tiny import random_adapter

pytest.importorskip("diffusers")
pytestmark = [pytest.mark.interop, pytest.mark.slow]
SIZE = 32


def tokenizer(length: int = 16) -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    words = {w: i for i, w in enumerate(["<pad>", "<unk>", "</s>", "a", "cat", "in", "ink"])}
    inner = Tokenizer(WordLevel(words, "<unk>"))
    inner.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, model_max_length=length,
        pad_token="<pad>", unk_token="<unk>", eos_token="</s>",
    )  # fmt: skip


def clip(projection: bool = False, width: int = 32) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=16, hidden_size=width, intermediate_size=37, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=16, projection_dim=32,
        bos_token_id=0, eos_token_id=2, pad_token_id=0, hidden_act="gelu",
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)


def t5(width: int) -> Any:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=16, d_model=width, d_kv=8, d_ff=37, num_layers=2, num_heads=4, pad_token_id=0
    )
    return T5EncoderModel(config)


def autoencoder(channels: int = 4, shift: float | None = None) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=[8, 8], in_channels=3, out_channels=3, norm_num_groups=4,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
        latent_channels=channels, sample_size=SIZE, shift_factor=shift,
    )  # fmt: skip


def unet(context: int, added: int | None) -> Any:
    from diffusers import UNet2DConditionModel

    more = {}
    if added:
        more = {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": added + 6 * 8,
        }
    return UNet2DConditionModel(
        block_out_channels=(16, 32), layers_per_block=1, sample_size=16, norm_num_groups=4,
        in_channels=4, out_channels=4, cross_attention_dim=context, attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), **more,
    )  # fmt: skip


def schedule(kind: str = "epsilon") -> Any:
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
        set_alpha_to_one=True, prediction_type=kind, timestep_spacing="trailing", steps_offset=1,
    )  # fmt: skip


def sd1(kind: str = "epsilon") -> Any:
    from diffusers import StableDiffusionPipeline

    torch.manual_seed(0)
    return StableDiffusionPipeline(
        unet=unet(32, None), text_encoder=clip(), tokenizer=tokenizer(), vae=autoencoder(),
        scheduler=schedule(kind), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip


def sdxl() -> Any:
    from diffusers import StableDiffusionXLPipeline

    torch.manual_seed(0)
    return StableDiffusionXLPipeline(
        unet=unet(64, 32), text_encoder=clip(), text_encoder_2=clip(True), vae=autoencoder(),
        tokenizer=tokenizer(), tokenizer_2=tokenizer(), scheduler=schedule(),
        add_watermarker=False,
    )  # fmt: skip


def flux() -> Any:
    from diffusers import (
        FlowMatchEulerDiscreteScheduler,
        FluxPipeline,
        FluxTransformer2DModel,
    )

    torch.manual_seed(0)
    network = FluxTransformer2DModel(
        patch_size=1, in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=32, pooled_projection_dim=32,
        axes_dims_rope=(4, 4, 8), guidance_embeds=True,
    )  # fmt: skip
    pipeline = FluxPipeline(
        transformer=network, scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=autoencoder(1, 0.1), text_encoder=clip(), tokenizer=tokenizer(),
        text_encoder_2=t5(32), tokenizer_2=tokenizer(),
    )  # fmt: skip
    pipeline.default_sample_size = SIZE // pipeline.vae_scale_factor
    return pipeline


def sd3() -> Any:
    from diffusers import (
        FlowMatchEulerDiscreteScheduler,
        SD3Transformer2DModel,
        StableDiffusion3Pipeline,
    )

    torch.manual_seed(0)
    network = SD3Transformer2DModel(
        sample_size=16, patch_size=1, in_channels=4, num_layers=1, attention_head_dim=8,
        num_attention_heads=4, joint_attention_dim=64, caption_projection_dim=32,
        pooled_projection_dim=64, out_channels=4,
    )  # fmt: skip
    return StableDiffusion3Pipeline(
        transformer=network, scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(shift=0.1), text_encoder=clip(True), text_encoder_2=clip(True),
        text_encoder_3=t5(64), tokenizer=tokenizer(), tokenizer_2=tokenizer(),
        tokenizer_3=tokenizer(),
    )  # fmt: skip


MAKERS = {"sd1": sd1, "sdxl": sdxl, "sd3": sd3, "flux1": flux}


@pytest.fixture(params=sorted(MAKERS))
def base(request: pytest.FixtureRequest) -> Base:
    base = from_pipeline(MAKERS[request.param]())
    assert base.family == request.param
    return base


def test_modules_are_named_as_the_family_names_them(base: Base) -> None:
    from lorarium.formats.families import FAMILIES

    parts = FAMILIES[base.family].parts
    for module in modules(base, "linear"):
        if not module.path.startswith("up_blocks") or base.family == "sd1":
            assert module.part in parts
    known = {path for path in parts["denoiser"].shapes}
    ours = {m.path for m in modules(base, "attention", ("denoiser",))}
    if base.family in ("flux1", "sd3"):
        assert ours <= known


def test_it_samples_with_adapters(base: Base) -> None:
    plain = sample(base, ["a cat", "a cat in ink"], steps=2, seed=3)
    assert plain.shape == (2, SIZE, SIZE, 3)
    lora = random_adapter(base, 2, scale=20.0)
    assert set(base.networks) >= set(lora.parts())
    drawn = sample(base, ["a cat", "a cat in ink"], adapters=[(lora, 1.0)], steps=2, seed=3)
    assert (drawn != plain).any()
    batch = sample(
        base, ["a cat", "a cat in ink"], branches=each(base, [lora, lora]), steps=2, seed=3
    )
    assert np.abs(batch.astype(int) - drawn).max() <= 2


def test_it_learns(base: Base) -> None:
    pictures = np.full((2, SIZE, SIZE, 3), (200, 40, 40), np.uint8)
    recipe = Recipe(rank=4, alpha=4.0, steps=30, batch=2, lr=5e-3, text_encoder=True)
    seen: list[float] = []
    adapters = fit(
        base, [Job(pictures, ("a cat", "a cat"), recipe)], lambda _, v: seen.append(float(v[0]))
    )
    assert np.mean(seen[-10:]) < np.mean(seen[:10])
    assert set(adapters[0].parts()) == set(base.networks)
    assert adapters[0].family == base.family


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_the_loss_is_that_of_the_prediction_type(kind: str) -> None:
    pipeline = sd1(kind)
    base = from_pipeline(pipeline)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, *base.noise_shape(SIZE), generator=generator)
    noise = torch.randn(x.shape, generator=generator)
    index = torch.tensor([10, 400, 980])
    text = base.encode(["a cat"] * 3)
    scheduler = pipeline.scheduler
    noisy = scheduler.add_noise(x, noise, index)
    with torch.no_grad():
        output = pipeline.unet(noisy, index, text["hidden"]).sample
        ours = losses(base, x, text, (index + 1) / 1000, noise)
    wanted = {"epsilon": noise, "sample": x}.get(kind)
    if wanted is None:
        wanted = scheduler.get_velocity(x, noise, index)
    torch.testing.assert_close(
        ours, (output - wanted).square().flatten(1).mean(1), rtol=2e-3, atol=1e-4
    )


def test_sampling_is_that_of_the_pipelines() -> None:
    for make in (sd1, sd3, flux):
        pipeline = make()
        pipeline.set_progress_bar_config(disable=True)
        base = from_pipeline(pipeline)
        ours = sample(base, ["a cat"], steps=4, seed=7, guidance=2.5)
        shape = base.noise_shape(SIZE)
        x = torch.randn(shape, generator=torch.Generator().manual_seed(7))[None]
        if base.family == "flux1":
            n, c, h, w = x.shape
            x = pipeline._pack_latents(x, n, c, h, w)
        theirs = pipeline(
            "a cat", latents=x, num_inference_steps=4, output_type="np",
            height=SIZE, width=SIZE, guidance_scale=2.5,
        ).images[0]  # fmt: skip
        assert np.abs(ours[0] / 255 - theirs).max() < 0.02, base.family


def test_other_names_are_sentences(tmp_path: Any) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(LorariumError, match="cannot be loaded"):
        open_base(tmp_path / "empty")
