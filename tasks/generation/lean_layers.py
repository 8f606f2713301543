"""Llama's layers with fewer and larger operations, for writing only.

A layer of transformers is some fifty operations; with a few rows in the batch, calling them takes
longer than computing them. Here the products that share an input are one, queries and keys are
rotated together, and heads that share keys use them together, so that no key is repeated.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor, scaling: float
) -> torch.Tensor:
    """Attention, rows × heads × querying tokens × size; mask: 0 or -inf, to be added."""
    rows, heads, queries, size = query.shape
    group = heads // key.size(1)
    grouped = (query * scaling).reshape(rows, key.size(1), group * queries, size)
    wide = mask if queries == 1 else mask.repeat(1, 1, group, 1)
    weights = torch.matmul(grouped, key.transpose(2, 3)).add_(wide).softmax(-1)
    return torch.matmul(weights, value).view(rows, heads, queries, value.size(-1))


class Product(torch.nn.Linear):
    """A product whose weights are given: random ones are not drawn first."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        outputs, inputs = weight.shape
        super().__init__(inputs, outputs, bias=bias is not None, device="meta")
        self.weight = torch.nn.Parameter(weight, requires_grad=False)
        if bias is not None:
            self.bias = torch.nn.Parameter(bias, requires_grad=False)

    def reset_parameters(self) -> None:
        """Do nothing: on the meta device, drawing loads torch's compiler."""


class LeanLlamaLayer(torch.nn.Module):
    """Does what the LlamaDecoderLayer does that it is made from.

    device, dtype: of joined products; by default as they are.
    """

    def __init__(
        self, layer: Any, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        self.first_norm, self.second_norm = layer.input_layernorm, layer.post_attention_layernorm
        self.qkv = _joined([attention.q_proj, attention.k_proj, attention.v_proj], device, dtype)
        self.answer = attention.o_proj
        self.rise = _joined([mlp.gate_proj, mlp.up_proj], device, dtype)
        self.act, self.fall = mlp.act_fn, mlp.down_proj
        self.number, self.scaling = attention.layer_idx, attention.scaling
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
        asked = self.qkv(normed(self.first_norm, hidden_states))
        parts = asked.view(*asked.shape[:2], -1, self.size).transpose(1, 2)
        rotated = _rotated(parts[:, : self.heads + self.shared], *position_embeddings)
        key, value = past_key_values.update(
            rotated[:, self.heads :], parts[:, self.heads + self.shared :], self.number
        )
        found = attend(rotated[:, : self.heads], key, value, attention_mask, self.scaling)
        hidden = hidden_states + self.answer(found.transpose(1, 2).flatten(2))
        gate, up = self.rise(normed(self.second_norm, hidden)).chunk(2, -1)
        return hidden + self.fall(self.act(gate) * up)  # type: ignore[no-any-return]  # transformers is untyped


def _joined(products: list[Any], device: torch.device | None, dtype: torch.dtype | None) -> Product:
    """Several linear modules side by side as one."""

    def join(parts: list[torch.Tensor]) -> torch.Tensor:
        rows = sum(map(len, parts))
        whole = parts[0].new_empty(rows, *parts[0].shape[1:], device=device, dtype=dtype)
        end = 0
        for part in parts:
            # Converted while they are copied: joined first, they would be written twice.
            begin, end = end, end + len(part)
            whole[begin:end] = part
        return whole

    weight = join([product.weight.detach() for product in products])
    if products[0].bias is None:
        return Product(weight)
    return Product(weight, join([product.bias.detach() for product in products]))


def normed(norm: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Normed by the root of the mean square, with the weights of a norm."""
    return functional.rms_norm(hidden, hidden.shape[-1:], norm.weight, norm.variance_epsilon)


def _rotated(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions; cos and sin are rows × tokens × size."""
    first, second = heads.chunk(2, -1)
    rotated = torch.cat((-second, first), -1)
    return heads * cos[:, None] + rotated * sin[:, None]
