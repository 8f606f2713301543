"""LoRA adapters by peft: small trained additions to a base that stays as it is (arXiv:2106.09685).

Every linear layer but the head gets one. They are scaled by one: `lora_alpha` is the rank.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers.pytorch_utils import Conv1D

from tasks.core.errors import BaseUnavailable
from tasks.core.records import ADAPTER_WEIGHTS
from tasks.training.compute.fast_loss import fastest_loss
from tasks.training.compute.flat_weights import FlatWeights
from tasks.training.engine import TYPES, Engine
from tasks.training.steps import Trainable


@contextmanager
def adapter_on(engine: Engine, rank: int, seed: int) -> Iterator[tuple[Any, Trainable]]:
    """Within the block the engine's model has a new adapter: peft's model, and what is trained.

    Afterwards the model is the base again, with the base's weights. Gives the same for the same
    seed. Raises BaseUnavailable for a model that no adapter can be made for.
    """
    precision = next(name for name, dtype in TYPES.items() if dtype is engine.weights.weights.dtype)
    engine.use("fp32")
    engine.restore()
    torch.manual_seed(seed)
    with engine.weights.frozen():
        adapted = _adapted(engine, rank)
        try:
            trained = FlatWeights(p for p in adapted.parameters() if p.requires_grad)
            loss = fastest_loss(engine.model, engine.weights, trained)
            engine.use(precision)
            trained.use(TYPES[precision])
            yield adapted, Trainable(engine.model, trained, loss, engine.ramp)
        finally:
            adapted.unload()


def _adapted(engine: Engine, rank: int) -> Any:
    head = engine.model.get_output_embeddings()
    linear = {
        name: module
        for name, module in engine.model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head
    }
    if not linear:
        kind = type(engine.model).__name__
        raise BaseUnavailable(f"base {engine.base.id}: {kind} has no linear layers: use mode full")
    from peft import LoraConfig, get_peft_model  # a second and a half, and few bots need it

    config = LoraConfig(
        r=rank,
        lora_alpha=rank,
        target_modules=sorted({name.rpartition(".")[2] for name in linear}),
        exclude_modules=[name for name, module in engine.model.named_modules() if module is head],
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in linear.values()),
        task_type="CAUSAL_LM",
    )
    with _peft_warnings():
        adapted = get_peft_model(engine.model, config)
    # Else it is this machine's folder of the base.
    adapted.peft_config["default"].base_model_name_or_path = engine.base.id
    return adapted


def save_adapter(adapted: Any, folder: Path) -> None:
    """Write peft's files: the adapter's weights and its config."""
    adapted.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # peft's own; the release has a card


def _addition(layer: Any) -> torch.Tensor:
    """What the adapter adds to a layer's weight, in fp32."""
    addition: torch.Tensor = layer.get_delta_weight("default").float()
    return addition


@contextmanager
def _peft_warnings() -> Iterator[None]:
    """Raise what peft only warns of, such as missing weights; skip notices for developers."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield


def has_adapter(folder: Path) -> bool:
    """Whether what is saved in a folder is an adapter, not a whole model."""
    return (folder / ADAPTER_WEIGHTS).is_file()


@torch.no_grad()
def merge_adapter(model: Any, folder: Path) -> None:
    """Add the adapter that is saved in a folder to a model's weights, in place.

    model: with the weights of the adapter's base. Raises BaseUnavailable where the adapter is
    damaged or of another architecture.
    """
    from peft import PeftModel
    from peft.tuners.lora import LoraLayer

    try:
        with _peft_warnings():
            adapted = PeftModel.from_pretrained(model, folder)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, UserWarning) as error:
        raise BaseUnavailable(
            f"adapter {folder.name}: {ADAPTER_WEIGHTS} is damaged, or was not made from this base: "
            f"use the base it was made from, or train the bot again ({str(error)[:200]})"
        ) from error
    for layer in adapted.modules():
        if isinstance(layer, LoraLayer):
            weight: Any = layer.get_base_layer().weight
            # In place, since an engine's weights are views; peft's own merge may replace them.
            weight.copy_(weight.float() + _addition(layer))
    adapted.unload()
