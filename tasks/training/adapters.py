"""Adapters: small trained additions to a base that stays as it is (LoRA, arXiv:2106.09685).

To the product of every linear layer of the blocks, x W, comes x A B with a narrow middle, the rank.
B begins at zero, so that an untrained adapter changes nothing. The addition is not scaled: PEFT's
`lora_alpha` is the rank.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers.pytorch_utils import Conv1D

from tasks.core.errors import BaseUnavailable
from tasks.training.compute.patching import Forward, replaced
from tasks.training.stack import Places, Stack
from tasks.training.stack_functions import turned_product

# Measured with rank 64 on real accounts; full fine-tuning wants less.
RATE = 1.5e-3


@dataclass(frozen=True)
class Adapter:
    """A trained adapter of one bot.

    factors: by the layer's name, A (rank × inputs) and B (outputs × rank).
    """

    rank: int
    factors: Mapping[str, tuple[torch.Tensor, torch.Tensor]]


def linears(model: Any) -> dict[str, Any]:
    """The layers that get an addition, by name: all linear ones but the head."""
    head = model.get_output_embeddings()
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head
    }


class AdapterLayers:
    """Trains adapters of several bots over the weights that a model has.

    places, start: of one bot's numbers, as `Stack` takes them.
    Raises BaseUnavailable for a model without linear layers.
    """

    def __init__(self, model: Any, rank: int, seed: int) -> None:
        self.model, self.rank = model, rank
        self._layers = linears(model)
        if not self._layers:
            raise BaseUnavailable(
                f"{type(model).__name__} has no linear layers to add to: use mode full"
            )
        places, numbers, end = {}, [], 0
        chance = torch.Generator().manual_seed(seed)
        for name, layer in self._layers.items():
            inputs, outputs = _sizes(layer)
            down = (torch.rand(rank, inputs, generator=chance) * 2 - 1) / math.sqrt(inputs)
            for part, tensor in (("A", down), ("B", torch.zeros(outputs, rank))):
                places[f"{name}.{part}"] = (end, tensor.shape)
                numbers.append(tensor.flatten())
                end += tensor.numel()
        self.places: Places = places
        self.start = torch.cat(numbers).to(next(model.parameters()).device)

    @contextmanager
    def attached(self, stack: Stack) -> Iterator[None]:
        """Within the block the model computes with the adapters of the stack's views.

        Its inputs are rows, as many for each bot, those of the first bot first.
        """
        names = {id(layer): name for name, layer in self._layers.items()}

        def forward_of(module: Any) -> Forward | None:
            name = names.get(id(module))
            return None if name is None else _with_addition(module, stack, name)

        with replaced(self.model, forward_of):
            yield

    def put(self, numbers: torch.Tensor) -> None:
        """Add the adapter of one bot to the weights that the model has, its base's."""
        merge(self.model, self.adapter(numbers))

    def heads(self, stack: Stack) -> list[torch.Tensor]:
        """The head's weight for each bot of the views: the base's, which is not trained."""
        weight = self.model.get_output_embeddings().weight.detach()
        return [weight] * stack.shown

    def adapter(self, numbers: torch.Tensor) -> Adapter:
        """What a row of the stack holds."""
        parts = {
            name: numbers[start : start + shape.numel()].view(shape)
            for name, (start, shape) in self.places.items()
        }
        factors = {name: (parts[f"{name}.A"], parts[f"{name}.B"]) for name in self._layers}
        return Adapter(self.rank, factors)


def _sizes(layer: Any) -> tuple[int, int]:
    """Inputs and outputs of a linear layer; GPT-2's keep their weights turned."""
    rows, columns = layer.weight.shape
    return (rows, columns) if type(layer) is Conv1D else (columns, rows)


def _with_addition(layer: Any, stack: Stack, name: str) -> Forward:
    plain = layer.forward

    def forward(x: torch.Tensor) -> torch.Tensor:
        down, up = stack.views[f"{name}.A"], stack.views[f"{name}.B"]
        middle = turned_product(x.reshape(len(down), -1, x.size(-1)), down)
        whole: torch.Tensor = plain(x)
        return whole + turned_product(middle, up).view(whole.shape)

    return forward


@torch.no_grad()
def merge(model: Any, adapter: Adapter) -> None:
    """Add the adapter to the weights that the model has, which must be its base's.

    Raises BaseUnavailable where it was made for another architecture.
    """
    layers = linears(model)
    for name, (down, up) in adapter.factors.items():
        layer = layers.get(name)
        if layer is None or _sizes(layer) != (down.size(1), up.size(0)):
            raise BaseUnavailable(
                f"an adapter for {name[:80]} does not fit this base: use the base it was made from"
            )
        weight = layer.weight
        addition = up.to(weight.device).float() @ down.to(weight.device).float()
        turned = addition.t() if type(layer) is Conv1D else addition
        weight.copy_(weight.float() + turned)
