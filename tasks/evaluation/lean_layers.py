"""Llama's layers with fewer and larger operations, for writing only.

A layer of transformers is some fifty operations; with a few rows in the batch, calling them takes
longer than computing them. Here the products that share an input are one, queries and keys are
turned together, and heads that share keys ask them together, so that no key is repeated.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor, scaling: float
) -> torch.Tensor:
    """Attention, rows × heads × asking tokens × size; mask: 0 or -inf, to be added."""
    rows, heads, asking, size = query.shape
    group = heads // key.size(1)
    grouped = (query * scaling).reshape(rows, key.size(1), group * asking, size)
    wide = mask if asking == 1 else mask.repeat(1, 1, group, 1)
    weights = torch.matmul(grouped, key.transpose(2, 3)).add_(wide).softmax(-1)
    return torch.matmul(weights, value).view(rows, heads, asking, value.size(-1))


class LeanLlamaLayer(torch.nn.Module):
    """Does what the LlamaDecoderLayer does that it is made from."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer
        attention, mlp = layer.self_attn, layer.mlp
        self.asking = _joined([attention.q_proj, attention.k_proj, attention.v_proj])
        self.rising = _joined([mlp.gate_proj, mlp.up_proj])
        self.size = attention.head_dim
        self.shared = attention.k_proj.out_features // self.size
        self.heads = attention.q_proj.out_features // self.size

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        past_key_values: Any,
        **_others: Any,
    ) -> torch.Tensor:
        """As transformers calls a layer."""
        attention, mlp = self.layer.self_attn, self.layer.mlp
        asked = functional.linear(_normed(self.layer.input_layernorm, hidden_states), *self.asking)
        parts = asked.view(*asked.shape[:2], -1, self.size).transpose(1, 2)
        turned = _turned(parts[:, : self.heads + self.shared], *position_embeddings)
        key, value = past_key_values.update(
            turned[:, self.heads :], parts[:, self.heads + self.shared :], attention.layer_idx
        )
        query = turned[:, : self.heads]
        found = attend(query, key, value, attention_mask, attention.scaling)
        hidden = hidden_states + attention.o_proj(found.transpose(1, 2).flatten(2))
        rising = functional.linear(
            _normed(self.layer.post_attention_layernorm, hidden), *self.rising
        )
        gate, up = rising.chunk(2, -1)
        return hidden + mlp.down_proj(mlp.act_fn(gate) * up)  # type: ignore[no-any-return]  # transformers is untyped


def _joined(products: list[Any]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weights and biases of several linear modules as one's."""
    weight = torch.cat([product.weight.detach() for product in products])
    if products[0].bias is None:
        return weight, None
    return weight, torch.cat([product.bias.detach() for product in products])


def _normed(norm: Any, hidden: torch.Tensor) -> torch.Tensor:
    return functional.rms_norm(hidden, hidden.shape[-1:], norm.weight, norm.variance_epsilon)


def _turned(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions; cos and sin are rows × tokens × size."""
    first, second = heads.chunk(2, -1)
    rotated = torch.cat((-second, first), -1)
    return heads * cos[:, None] + rotated * sin[:, None]
