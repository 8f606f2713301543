"""Adapters as files in the format of PEFT, by which they can be used with its library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers.pytorch_utils import Conv1D

from tasks.core.errors import BaseUnavailable
from tasks.training.adapters import Adapter, linears

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
# PEFT wraps the model twice.
_PREFIX = "base_model.model."
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"


def save_adapter(adapter: Adapter, model: Any, base_id: str, folder: Path) -> None:
    """Write weights (bf16) and config. model: the adapter's base; base_id: how others know it."""
    tensors = {}
    for name, (down, up) in adapter.factors.items():
        for end, tensor in ((_DOWN, down), (_UP, up)):
            tensors[f"{_PREFIX}{name}{end}"] = tensor.to("cpu", torch.bfloat16).contiguous()
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config = _config(adapter, model, base_id)
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _config(adapter: Adapter, model: Any, base_id: str) -> dict[str, Any]:
    layers = linears(model)
    return {
        "base_model_name_or_path": base_id,
        "bias": "none",
        "fan_in_fan_out": any(type(layers[name]) is Conv1D for name in adapter.factors),
        "inference_mode": True,
        "lora_alpha": adapter.rank,
        "lora_dropout": 0.0,
        "peft_type": "LORA",
        "r": adapter.rank,
        "target_modules": sorted({name.rpartition(".")[2] for name in adapter.factors}),
        "task_type": "CAUSAL_LM",
    }


def has_adapter(folder: Path) -> bool:
    """Whether what is saved in a folder is an adapter, not a whole model."""
    return (folder / WEIGHTS).is_file()


def load_adapter(folder: Path) -> Adapter:
    """The adapter that was saved in a folder. Raises BaseUnavailable where it is damaged."""
    try:
        tensors = load_file(folder / WEIGHTS)
        factors = {
            key.removeprefix(_PREFIX).removesuffix(_DOWN): (
                tensors[key],
                tensors[key.removesuffix(_DOWN) + _UP],
            )
            for key in tensors
            if key.endswith(_DOWN)
        }
    except (OSError, KeyError, SafetensorError) as error:
        raise BaseUnavailable(
            f"adapter {folder.name}: {WEIGHTS} is damaged: train the bot again"
        ) from error
    ranks = {down.size(0) for down, _ in factors.values()}
    if len(ranks) != 1:
        raise BaseUnavailable(f"adapter {folder.name}: no layers of one rank: train the bot again")
    return Adapter(ranks.pop(), factors)
