"""Real bases through diffusers: UNets of Stable Diffusion 1, 2 and XL, transformers of Stable
Diffusion 3 and FLUX.1.

Their own text encoders, autoencoders and noise levels; the steps are those of `sampling`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from lorarium.bases.base import Base, Text, rows
from lorarium.bases.resting import in_use
from lorarium.bases.stored import sampled_hash
from lorarium.errors import LorariumError


class DiffusersBase:
    """What UNets and transformers share: encoders and the autoencoder of a pipeline."""

    family: str
    guidance = 7.5  # as diffusers' own pipelines
    distilled = False

    def __init__(
        self,
        pipeline: Any,
        denoiser: nn.Module,
        hash: str | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.pipeline, self.denoiser = pipeline, denoiser
        for network in self.networks.values():
            network.eval().requires_grad_(False)
        pipeline.vae.eval().requires_grad_(False)
        first = next(denoiser.parameters())
        self.device, self.dtype = device or first.device, first.dtype
        self.hash = hash or sampled_hash(denoiser.state_dict().values())
        self.scale = int(pipeline.vae_scale_factor)

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        names = ("text_encoder", "text_encoder_2", "text_encoder_3")
        encoders = {n: getattr(self.pipeline, n, None) for n in names}
        return {"denoiser": self.denoiser} | {n: e for n, e in encoders.items() if e is not None}

    def _encode_prompt(self, *asked: Any, **more: Any) -> Any:
        with ExitStack() as used:
            for name, network in self.networks.items():
                if name != "denoiser":  # pipelines look where these are before they call them
                    used.enter_context(in_use(network))
            return self.pipeline.encode_prompt(*asked, **more)

    def to_latent(self, pictures: Tensor) -> Tensor:
        vae = self.pipeline.vae
        with torch.no_grad(), in_use(vae):
            latents = vae.encode(pictures.to(self.device, vae.dtype)).latent_dist.mode()
        return ((latents - self._shift) * vae.config.scaling_factor).float()

    def to_pictures(self, latents: Tensor) -> Tensor:
        vae = self.pipeline.vae
        with torch.no_grad(), in_use(vae):
            scaled = (latents / vae.config.scaling_factor + self._shift).to(vae.dtype)
            return vae.decode(scaled).sample.float().clamp(-1, 1)

    @property
    def _shift(self) -> float:
        return getattr(self.pipeline.vae.config, "shift_factor", None) or 0.0

    def _channels(self, size: int, step: int) -> tuple[int, int, int]:
        if size < step or size % step:
            raise LorariumError(f"a size of {size} pixels", hint=f"use a multiple of {step}")
        channels = self.pipeline.vae.config.latent_channels
        return (channels, size // self.scale, size // self.scale)


class UNetBase(DiffusersBase):
    """Stable Diffusion 1, 2 and XL: noise levels of a table, noise or velocity predicted."""

    def __init__(self, pipeline: Any, **held: Any) -> None:
        from diffusers import DDIMScheduler

        super().__init__(pipeline, pipeline.unet, **held)
        config = pipeline.unet.config
        self.wide = getattr(pipeline, "text_encoder_2", None) is not None
        deep = int(_first(config.cross_attention_dim)) == 1024
        self.family = "sdxl" if self.wide else "sd2" if deep else "sd1"
        self.size = int(config.sample_size) * self.scale
        self.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
        self.kind = self.scheduler.config.prediction_type
        if self.kind not in ("epsilon", "v_prediction", "sample"):
            raise LorariumError(f"a base that predicts {self.kind} is not known")
        alphas_bar = self.scheduler.alphas_cumprod.float()
        # index 0 is the picture
        self.shares = torch.cat([torch.ones(1), alphas_bar]).to(self.device)

    def encode(self, prompts: Sequence[str]) -> Text:
        words = list(prompts)
        if not self.wide:
            hidden, _ = self._encode_prompt(words, self.device, 1, False)
            return {"hidden": hidden}
        encoded = self._encode_prompt(
            words, device=self.device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        hidden, pooled = encoded[0], encoded[2]
        if self.pipeline.config.get("force_zeros_for_empty_prompt", False):
            has_words = torch.tensor([bool(p) for p in words], device=self.device)
            hidden, pooled = (v * rows(has_words.to(v.dtype), v) for v in (hidden, pooled))
        return {"hidden": hidden, "pooled": pooled}

    def predict(self, x: Tensor, t: Tensor, text: Text) -> Tensor:
        added = None
        if self.wide:
            side = x.shape[-1] * self.scale
            ids = torch.tensor([[side, side, 0, 0, side, side]] * len(x), device=x.device)
            added = {"text_embeds": text["pooled"], "time_ids": ids.to(self.dtype)}
        prediction = self.denoiser(
            x.to(self.dtype),
            self._index(t) - 1,
            encoder_hidden_states=text["hidden"].to(self.dtype),
            added_cond_kwargs=added,
        ).sample.float()
        if self.kind == "sample":
            return prediction
        alpha, sigma = (rows(v, x) for v in self.alpha_sigma(t))
        if self.kind == "v_prediction":
            return alpha * x - sigma * prediction
        return (x - sigma * prediction) / alpha

    def _index(self, t: Tensor) -> Tensor:
        return (t * (len(self.shares) - 1)).round().long()

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        share = self.shares.to(t.device)[self._index(t)]
        return share.sqrt(), (1 - share).sqrt()

    def loss_weight(self, t: Tensor) -> Tensor:
        alpha, sigma = self.alpha_sigma(t)
        if self.kind == "sample":
            return torch.ones_like(t)
        return sigma**-2 if self.kind == "v_prediction" else (alpha / sigma) ** 2

    def sample_time(self, share: Tensor) -> Tensor:
        count = len(self.shares) - 1
        return ((share * count).floor() + 1) / count

    def times(self, steps: int) -> list[float]:
        self.scheduler.set_timesteps(steps)
        count = len(self.shares) - 1
        return [(int(i) + 1) / count for i in self.scheduler.timesteps] + [0.0]

    def noise_shape(self, size: int) -> tuple[int, int, int]:
        return self._channels(size, 8 * self.scale if self.scale > 1 else 8)


class FlowBase(DiffusersBase):
    """What transformers of rectified flows share: straight lines from noise to picture."""

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return 1 - t, t

    def loss_weight(self, t: Tensor) -> Tensor:
        return t.clamp(min=0.02) ** -2

    def sample_time(self, share: Tensor) -> Tensor:
        return torch.sigmoid(torch.special.ndtri(share))

    def noise_shape(self, size: int) -> tuple[int, int, int]:
        return self._channels(size, 2 * self.scale)


class SD3Base(FlowBase):
    """Stable Diffusion 3 and 3.5: velocities of latents as they are."""

    guidance = 7.0

    def __init__(self, pipeline: Any, **held: Any) -> None:
        super().__init__(pipeline, pipeline.transformer, **held)
        config = pipeline.transformer.config
        large = config.qk_norm and not config.dual_attention_layers
        medium = "sd35-medium" if config.dual_attention_layers else "sd3"
        self.family = "sd35-large" if large else medium
        self.size = int(pipeline.default_sample_size) * self.scale
        self.levels = int(pipeline.scheduler.config.num_train_timesteps)

    def encode(self, prompts: Sequence[str]) -> Text:
        hidden, _, pooled, _ = self._encode_prompt(
            list(prompts), None, None, device=self.device, do_classifier_free_guidance=False
        )
        return {"hidden": hidden, "pooled": pooled}

    def predict(self, x: Tensor, t: Tensor, text: Text) -> Tensor:
        velocity = self.denoiser(
            hidden_states=x.to(self.dtype),
            timestep=self.levels * t,
            pooled_projections=text["pooled"].to(self.dtype),
            encoder_hidden_states=text["hidden"].to(self.dtype),
        ).sample
        return x - rows(t, x) * velocity.float()

    def times(self, steps: int) -> list[float]:
        self.pipeline.scheduler.set_timesteps(steps)
        return [float(s) for s in self.pipeline.scheduler.sigmas]


class FluxBase(FlowBase):
    """FLUX.1: flow matching on packed latents; guidance is an input of the dev model."""

    family = "flux1"
    guidance = 3.5

    def __init__(self, pipeline: Any, **held: Any) -> None:
        super().__init__(pipeline, pipeline.transformer, **held)
        self.distilled = True  # schnell ignores the number, dev reads it
        self.size = int(pipeline.default_sample_size) * self.scale

    def encode(self, prompts: Sequence[str]) -> Text:
        hidden, pooled, _ = self._encode_prompt(
            list(prompts), None, device=self.device, num_images_per_prompt=1
        )
        return {"hidden": hidden, "pooled": pooled}

    def predict(self, x: Tensor, t: Tensor, text: Text) -> Tensor:
        n, c, h, w = x.shape
        packed = self.pipeline._pack_latents(x.to(self.dtype), n, c, h, w)
        ids = self.pipeline._prepare_latent_image_ids(n, h // 2, w // 2, x.device, self.dtype)
        guidance = None
        if self.denoiser.config.guidance_embeds:  # type: ignore[union-attr]
            guidance = text.get("guidance", torch.full((n,), 1.0, device=x.device)).to(self.dtype)
        velocity = self.denoiser(
            hidden_states=packed,
            timestep=t.to(self.dtype),
            guidance=guidance,
            pooled_projections=text["pooled"].to(self.dtype),
            encoder_hidden_states=text["hidden"].to(self.dtype),
            txt_ids=torch.zeros(text["hidden"].shape[1], 3, device=x.device, dtype=self.dtype),
            img_ids=ids,
        ).sample
        unpacked = velocity.view(n, h // 2, w // 2, c, 2, 2).permute(0, 3, 1, 4, 2, 5)
        return x - rows(t, x) * unpacked.reshape(x.shape).float()

    def times(self, steps: int) -> list[float]:
        from diffusers.pipelines.flux.pipeline_flux import calculate_shift

        scheduler = self.pipeline.scheduler
        c = scheduler.config
        length = (self.size // self.scale // 2) ** 2
        mu = calculate_shift(
            length, c.base_image_seq_len, c.max_image_seq_len, c.base_shift, c.max_shift
        )
        sigmas = [1 - i * (1 - 1 / steps) / max(steps - 1, 1) for i in range(steps)]
        scheduler.set_timesteps(sigmas=sigmas, mu=mu)
        return [float(s) for s in scheduler.sigmas]


TRANSFORMERS: dict[str, Callable[..., Base]] = {
    "SD3Transformer2DModel": SD3Base,
    "FluxTransformer2DModel": FluxBase,
}


def from_pipeline(
    pipeline: Any, hash: str | None = None, device: torch.device | None = None
) -> Base:
    """The base of a loaded pipeline."""
    held = {"hash": hash, "device": device}
    if hasattr(pipeline, "unet"):
        return UNetBase(pipeline, **held)
    transformer = type(getattr(pipeline, "transformer", None)).__name__
    if transformer in TRANSFORMERS:
        return TRANSFORMERS[transformer](pipeline, **held)
    raise LorariumError(f"a {type(pipeline).__name__} is not a base we know")


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) else value
