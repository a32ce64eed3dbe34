"""micro-2 is a pipeline that others open: the same pictures as diffusers', adapters included."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lorarium.bases.base import mixed, open_base
from lorarium.bases.levels import alphas_bar
from lorarium.bases.micro2 import END, START, framed
from lorarium.bases.micro2_folder import ASSET, load_folder, save_folder, trained_with
from lorarium.bases.sampling import sample, starting_noise
from lorarium.bases.transformer import Transformer
from lorarium.errors import LorariumError
from lorarium.evaluation.judges import load_judge
from tests.bases.micro2 import SMALL, random_base

PROMPTS = ["a red cat in ink", "The dog, by sty1"]


def test_start_words_and_end_are_framed() -> None:
    rows = framed(torch.tensor([[5, 6, 0, 0], [0, 0, 0, 0]]))
    assert rows[0, :5].tolist() == [START, 5, 6, END, 0]
    assert rows[1, :3].tolist() == [START, END, 0]


def test_times_run_from_noise_to_the_picture() -> None:
    base = random_base()
    alpha, sigma = base.alpha_sigma(torch.tensor(base.times(4)))
    assert alpha[0] < 0.01 and alpha[-1] == 1 and sigma[-1] == 0
    assert torch.allclose(alpha**2 + sigma**2, torch.ones(5))
    assert bool((alpha.diff() > 0).all())


@pytest.mark.slow
def test_it_comes_along_and_follows_words() -> None:
    base = open_base("micro-2")
    assert base.family == "micro-2" and trained_with(ASSET)["pictures"] > 300_000
    words = [("cat", "ink"), ("castle", "photo"), ("fish", "neon"), ("tree", "mosaic")] * 2
    pictures = sample(base, [f"a {kind} in {genre}" for kind, genre in words], steps=8)
    judge = load_judge("reporter")
    kinds, genres = judge.class_of(pictures), judge.genre_of(pictures)
    assert sum((k, g) == w for k, g, w in zip(kinds, genres, words, strict=True)) >= 6


def test_details_begin_by_adding_nothing() -> None:
    torch.manual_seed(1)
    net = Transformer(SMALL)
    without = Transformer(replace(SMALL, details=0))
    left = without.load_state_dict(net.state_dict(), strict=False)
    assert not left.missing_keys and all("detailer." in key for key in left.unexpected_keys)
    x, step, text = torch.randn(2, 3, 48, 48), torch.tensor([100, 900]), torch.randn(2, 16, 32)
    assert torch.equal(net(x, step, text), without(x, step, text))
    torch.nn.init.normal_(net.detailer.last.weight, std=0.1)
    added = net(x, step, text) - without(x, step, text)
    assert added.shape == x.shape and added.std() > 1e-3


def test_a_folder_gives_the_same_base_back_and_is_refused_when_changed(tmp_path: Path) -> None:
    save_folder(random_base(), tmp_path / "m", {"pictures": 5})
    base = load_folder(tmp_path / "m")
    again = load_folder(tmp_path / "m")
    assert base.hash == again.hash
    assert np.array_equal(sample(base, PROMPTS, steps=3), sample(again, PROMPTS, steps=3))
    card = tmp_path / "m" / "lorarium.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"hash": "0" * 64}))
    with pytest.raises(LorariumError, match="hash"):
        load_folder(tmp_path / "m")
    card.write_text("[]")
    with pytest.raises(LorariumError, match="not a configuration"):
        load_folder(tmp_path / "m")


@pytest.mark.interop
def test_noise_levels_are_those_of_diffusers() -> None:
    from diffusers import DDIMScheduler

    theirs = DDIMScheduler(beta_schedule="squaredcos_cap_v2").alphas_cumprod
    assert torch.allclose(theirs, alphas_bar(), atol=1e-7)


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore")
def test_diffusers_opens_the_folder_and_draws_the_same_pictures(tmp_path: Path) -> None:
    from diffusers import DiffusionPipeline

    import lorarium.bases.micro2_parts  # noqa: F401

    save_folder(random_base(), tmp_path / "m", {})
    base = load_folder(tmp_path / "m")
    pipeline = DiffusionPipeline.from_pretrained(tmp_path / "m")
    pipeline.set_progress_bar_config(disable=True)
    assert (
        pipeline.tokenizer(PROMPTS, padding="max_length")["input_ids"]
        == framed(torch.tensor([base_words(p) for p in PROMPTS])).tolist()
    )
    noise = starting_noise([7, 8], base.noise_shape(48))
    drawn = pipeline(
        PROMPTS, latents=noise, num_inference_steps=5, guidance_scale=base.guidance,
        height=48, width=48, output_type="np",
    ).images  # fmt: skip
    ours = sample(base, PROMPTS, steps=5, seed=7).astype(float) / 255
    assert np.abs(drawn - ours).max() < 1e-3 + 0.5 / 255
    assert ours.std() > 0.005


def base_words(prompt: str) -> list[int]:
    from lorarium.world.words import tokens

    return tokens(prompt)


@pytest.mark.interop
def test_the_networks_are_those_of_diffusers_and_transformers() -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    from lorarium.bases.micro2_parts import WordTransformer

    base = random_base()
    theirs = WordTransformer.from_config(base.unet.config.for_diffusers())
    theirs.load_state_dict(base.unet.state_dict())
    x, t = torch.randn(2, 3, 48, 48), torch.tensor([3, 900])
    text = base.text_encoder.text_model
    config = CLIPTextConfig(**text.config.for_transformers(), bos_token_id=START, eos_token_id=END)
    clip = CLIPTextModel(config).eval()
    clip.load_state_dict(_named_for(clip, text.state_dict()), strict=False)
    tokens = framed(torch.tensor([base_words(p) for p in PROMPTS]))
    with torch.no_grad():
        words = clip(tokens).last_hidden_state
        assert torch.allclose(words, text(tokens), atol=1e-5)
        assert torch.allclose(theirs(x, t, words).sample, base.unet(x, t, words), atol=1e-5)


def _named_for(clip: torch.nn.Module, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """transformers 5 names the parts of a `CLIPTextModel` without the leading `text_model.`"""
    head = "text_model." if any(k.startswith("text_model.") for k in clip.state_dict()) else ""
    return {head + k: v for k, v in weights.items()}


def test_predictions_take_gradients_to_the_words() -> None:
    base = random_base()
    base.text_encoder.requires_grad_(True)
    x = torch.randn(1, 3, 48, 48)
    t = torch.tensor([0.6])
    prediction = base.predict(mixed(base, x, torch.randn_like(x), t), t, base.encode(["a cat"]))
    prediction.square().mean().backward()
    table = base.text_encoder.text_model.embeddings.token_embedding.weight
    assert table.grad is not None and float(table.grad.abs().sum()) > 0


def test_the_table_of_its_adapters_is_the_network() -> None:
    from lorarium.bases.clip_text import TextConfig, TextModel
    from lorarium.bases.transformer import Transformer, TransformerConfig
    from lorarium.formats.families import FAMILIES

    parts = FAMILIES["micro-2"].parts
    built = {"denoiser": Transformer(TransformerConfig()), "text_encoder": TextModel(TextConfig(9))}
    for part, network in built.items():
        head = "text_model." if part == "text_encoder" else ""
        layers = {
            head + path: tuple(layer.weight.shape)
            for path, layer in network.named_modules()
            if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d)
        }
        assert parts[part].shapes == layers


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore")
def test_an_adapter_trained_here_draws_the_same_in_diffusers(tmp_path: Path) -> None:
    from diffusers import DiffusionPipeline

    import lorarium.bases.micro2_parts  # noqa: F401
    from lorarium.formats import read
    from lorarium.formats.inspection.inspect import inspect_file
    from lorarium.pictures import write_png
    from lorarium.training.recipe import Recipe
    from lorarium.training.run import train
    from tests.bases.micro2 import full_base

    save_folder(full_base(), tmp_path / "base", {})
    random = np.random.default_rng(1)
    for i in range(2):
        picture = random.integers(0, 256, (48, 48, 3)).astype(np.uint8)
        write_png(tmp_path / f"p{i}.png", picture)
    recipe = Recipe(rank=2, steps=3, batch=2, lr=0.1, warmup=0, targets="all", text_encoder=True)
    target = tmp_path / "lora.safetensors"
    train(
        [tmp_path / "p0.png", tmp_path / "p1.png"], target, prompt="a cat in sty1", recipe=recipe,
        base=str(tmp_path / "base"), sheet=False,
    )  # fmt: skip
    inspection = inspect_file(target)
    assert inspection.family.id == "micro-2" and set(inspection.parts) == {
        "denoiser",
        "text_encoder",
    }
    base, adapter = open_base(tmp_path / "base"), read(target)
    pipeline = DiffusionPipeline.from_pretrained(tmp_path / "base")
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_lora_weights(str(target))
    settings = {"num_inference_steps": 4, "height": 48, "width": 48, "output_type": "np"}
    noise = starting_noise([3], base.noise_shape(48))
    theirs = pipeline(
        ["a cat in sty1"], latents=noise, guidance_scale=base.guidance, **settings
    ).images
    ours = sample(base, ["a cat in sty1"], adapters=[(adapter, 1.0)], steps=4, seed=3)
    bare = sample(base, ["a cat in sty1"], steps=4, seed=3)
    assert np.abs(theirs - ours / 255).max() < 1e-3 + 0.5 / 255
    assert np.abs(ours.astype(int) - bare.astype(int)).max() > 3
