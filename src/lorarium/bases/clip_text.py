"""CLIP's text encoder by transformers' names, without transformers: pre-norm, causal, GELU."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class TextConfig:
    vocab_size: int
    hidden_size: int = 128
    intermediate_size: int = 384
    num_hidden_layers: int = 3
    num_attention_heads: int = 4
    max_position_embeddings: int = 16

    def for_transformers(self) -> dict[str, Any]:
        """The config of the same network in transformers."""
        return {
            **asdict(self), "hidden_act": "gelu", "model_type": "clip_text_model",
            "projection_dim": self.hidden_size, "architectures": ["CLIPTextModel"],
        }  # fmt: skip


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(y.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    def __init__(self, c: TextConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(c.hidden_size, c.intermediate_size)
        self.fc2 = nn.Linear(c.intermediate_size, c.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Layer(nn.Module):
    def __init__(self, c: TextConfig) -> None:
        super().__init__()
        self.self_attn = SelfAttention(c.hidden_size, c.num_attention_heads)
        self.layer_norm1 = nn.LayerNorm(c.hidden_size)
        self.mlp = MLP(c)
        self.layer_norm2 = nn.LayerNorm(c.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Embeddings(nn.Module):
    def __init__(self, c: TextConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(c.vocab_size, c.hidden_size)
        self.position_embedding = nn.Embedding(c.max_position_embeddings, c.hidden_size)


class TextLayers(nn.Module):
    def __init__(self, c: TextConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Layer(c) for _ in range(c.num_hidden_layers)])


class TextModel(nn.Module):
    """Token numbers (n, tokens) -> (n, tokens, d). The names are `CLIPTextModel`'s, its leading
    `text_model.` apart."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.encoder = TextLayers(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size)

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.embeddings.token_embedding(tokens) + self.embeddings.position_embedding(places)
        for layer in self.encoder.layers:
            x = layer(x)
        return self.final_layer_norm(x)
