"""A Llama made of a release's file without transformers, for writing only.

Importing transformers takes three seconds of a processor, more than the first post of a small bot.
What is not exactly the usual Llama, such as other positions, biases or an adapter, is left to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from tasks.core.records import ADAPTER_WEIGHTS, WEIGHTS
from tasks.generation.lean_layers import LeanLlamaLayer, Product, normed

# What the layers here take for granted.
_USUAL = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "pretraining_tp": 1,
}
# Of damaged files; transformers then says what is wrong.
_UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError),
    SafetensorError,
)
_ABSENT = ("quantization_config", "auto_map")
Weights = Mapping[str, torch.Tensor]


class LeanLlama(torch.nn.Module):
    """Does what transformers' Llama does with the arguments that `decoding` gives it."""

    def __init__(
        self, config: Mapping[str, Any], weights: Weights, device: torch.device, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.config = SimpleNamespace(**config)
        tokens = weights["model.embed_tokens.weight"]
        # Whose own weights, drawn first on the meta device, would load torch's compiler.
        self.embedding = torch.nn.Embedding.from_pretrained(tokens)  # type: ignore[no-untyped-call]  # so in torch
        self.layers = torch.nn.ModuleList(
            LeanLlamaLayer(_layer(config, weights, number), device, dtype)
            for number in range(config["num_hidden_layers"])
        )
        self.norm = _Norm(weights["model.norm.weight"], config["rms_norm_eps"])
        head = "lm_head.weight"
        is_tied = config["tie_word_embeddings"] or head not in weights
        self.head = Product(tokens if is_tied else weights[head])
        if is_tied:
            self.head.weight = self.embedding.weight
        size = _head_size(config)
        steps = torch.arange(0, size, 2, dtype=torch.float32) / size
        self.frequencies: torch.Tensor
        self.register_buffer("frequencies", 1.0 / config["rope_parameters"]["rope_theta"] ** steps)
        for parameter in self.parameters():
            parameter.data = parameter.data.to(device, dtype)
        self.to(device).eval()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        past_key_values: Any,
        **_others: Any,
    ) -> SimpleNamespace:
        """The logits of the last tokens, rows × 1 × vocabulary."""
        hidden = self.embedding(input_ids)
        angles = position_ids[..., None].float() * self.frequencies
        angles = torch.cat((angles, angles), -1)
        positions = angles.cos().to(hidden.dtype), angles.sin().to(hidden.dtype)
        for layer in self.layers:
            hidden = layer(hidden, attention_mask, positions, past_key_values)
        # Of a product with gaps torch copies the head's weights once for each row.
        last = normed(self.norm, hidden[:, -1:].contiguous())
        return SimpleNamespace(logits=self.head(last))


class UsualLlama(NamedTuple):
    """What a release's files hold, if it is exactly the usual Llama. weights: read when used."""

    config: Mapping[str, Any]
    weights: Weights


def usual_llama(folder: Path) -> UsualLlama | None:
    """The model of a release's folder; None for one that transformers has to load, or to refuse."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not _is_usual(config) or (folder / ADAPTER_WEIGHTS).exists():
            return None
        weights = load_file(folder / WEIGHTS)
        return UsualLlama(config, weights) if _fit(config, weights) else None
    except _UNREADABLE:
        return None


def _is_usual(config: Any) -> bool:
    positions = config.get("rope_parameters") or {}
    return (
        all(config.get(name) == value for name, value in _USUAL.items())
        and positions.get("rope_type") == "default"
        and positions.keys() == {"rope_type", "rope_theta"}
        and isinstance(positions["rope_theta"], float | int)
        and isinstance(config["rms_norm_eps"], float | int)
        and not any(config.get(name) for name in _ABSENT)
    )


def _fit(config: Mapping[str, Any], weights: Weights) -> bool:
    """Whether the weights are those of the config, and no others."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    size = _head_size(config)
    asked, shared = (config[f"num_{kind}_heads"] * size for kind in ("attention", "key_value"))
    shapes = {
        "model.embed_tokens.weight": (config["vocab_size"], width),
        "model.norm.weight": (width,),
    }
    for number in range(config["num_hidden_layers"]):
        of_layer = {
            "input_layernorm": (width,),
            "post_attention_layernorm": (width,),
            "self_attn.q_proj": (asked, width),
            "self_attn.k_proj": (shared, width),
            "self_attn.v_proj": (shared, width),
            "self_attn.o_proj": (width, asked),
            "mlp.gate_proj": (inner, width),
            "mlp.up_proj": (inner, width),
            "mlp.down_proj": (width, inner),
        }
        shapes |= {f"model.layers.{number}.{name}.weight": each for name, each in of_layer.items()}
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], width)
    return {name: tuple(each.shape) for name, each in weights.items()} == shapes


def _head_size(config: Mapping[str, Any]) -> int:
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


class _Norm(torch.nn.Module):
    def __init__(self, weight: torch.Tensor, epsilon: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(weight, requires_grad=False)
        self.variance_epsilon = epsilon


def _layer(config: Mapping[str, Any], weights: Weights, number: int) -> SimpleNamespace:
    """A layer's parts under the names that transformers gives them."""
    prefix = f"model.layers.{number}."

    def product(name: str) -> Product:
        return Product(weights[f"{prefix}{name}.weight"])

    def norm(name: str) -> _Norm:
        return _Norm(weights[f"{prefix}{name}.weight"], config["rms_norm_eps"])

    size = _head_size(config)
    attention = {f"{each}_proj": product(f"self_attn.{each}_proj") for each in "qkvo"}
    mlp = {f"{each}_proj": product(f"mlp.{each}_proj") for each in ("gate", "up", "down")}
    return SimpleNamespace(
        input_layernorm=norm("input_layernorm"),
        post_attention_layernorm=norm("post_attention_layernorm"),
        self_attn=SimpleNamespace(**attention, layer_idx=number, head_dim=size, scaling=size**-0.5),
        mlp=SimpleNamespace(**mlp, act_fn=torch.nn.functional.silu),
    )
