"""CLIP and SigLIP too small to be of use, with random weights or taught colours by their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

COLOURS = {
    "red": (220, 30, 30), "green": (40, 180, 50), "blue": (40, 60, 220),
    "yellow": (230, 220, 40), "white": (245, 245, 245), "black": (15, 15, 15),
    "cyan": (50, 220, 220), "magenta": (220, 50, 210),
}  # fmt: skip
TOKENS = ("<pad>", "<s>", "</s>", "<unk>", *COLOURS, *"a square in of cat dragon".split())
SIDE, LENGTH, END = 32, 8, 2
LAYERS = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24,
}  # fmt: skip
VISION = {**LAYERS, "image_size": SIDE, "patch_size": 16}
TEXT = {
    **LAYERS, "vocab_size": len(TOKENS), "max_position_embeddings": LENGTH, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": END,
}  # fmt: skip


def save_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(TOKENS)}, unk_token="<unk>"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", END)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        unk_token="<unk>",
    ).save_pretrained(folder)  # fmt: skip


def save_random(kind: str, folder: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    if kind == "clip":
        config = transformers.CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=12)
        net = transformers.CLIPModel(config)
    else:
        config = transformers.SiglipConfig(text_config=TEXT, vision_config=VISION)
        net = transformers.SiglipModel(config)
    net.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def square(colour: str, seed: int, side: int = SIDE) -> np.ndarray:
    """A picture of a colour, no two the same."""
    rng = np.random.default_rng([*colour.encode(), seed])
    picture = np.array(COLOURS[colour]) + rng.normal(0, 12, 3) + rng.normal(0, 8, (side, side, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


def save_taught(folder: Path) -> Path:
    """A CLIP that knows colours and their names; some seconds of one core."""
    from lorarium.encoders.pretrained import load_picture_tower

    save_random("clip", folder)
    tower = load_picture_tower(str(folder))
    net = transformers.CLIPModel.from_pretrained(folder)
    tokens = torch.tensor([[1, TOKENS.index(c), END] for c in COLOURS])
    optimizer = torch.optim.Adam(net.parameters(), 6e-3)
    for step in range(120):
        pixels = tower.prepared(np.stack([square(colour, 1000 + step) for colour in COLOURS]))
        loss = net(input_ids=tokens, pixel_values=pixels, return_loss=True).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2
    net.save_pretrained(folder)
    return folder
