"""All weights of several bots, stacked: a layer computes with those of every bot at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from transformers.pytorch_utils import Conv1D

from tasks.core.errors import BaseUnavailable
from tasks.training.compute.flat_adamw import Flat
from tasks.training.compute.patching import Forward, replaced
from tasks.training.stack import Places, Stack
from tasks.training.stack_functions import lookup, product, turned_product, vector


class StackedLayers:
    """Trains all weights of several bots.

    places, start: of one bot's numbers, as `Stack` takes them: those of the engine's `Flat`, so
    that a row is what `Engine.restore` takes.
    Raises BaseUnavailable for a model with layers that cannot be stacked.
    """

    def __init__(self, model: Any, flat: Flat) -> None:
        self.model, self._flat = model, flat
        self.places: Places = {
            # The parameters are views of the flat weights, which begin at 0.
            name: (int(parameter.storage_offset()), parameter.shape)
            for name, parameter in model.named_parameters()
        }
        self.start = flat.base
        self._names = {id(parameter): name for name, parameter in model.named_parameters()}
        for module in model.modules():
            if any(True for _ in module.parameters(recurse=False)):
                self._check(module)

    def _check(self, module: Any) -> None:
        if _kind(module) is None:
            name = type(module).__name__
            raise BaseUnavailable(f"{name} layers cannot be trained for several bots: {_ADVICE}")

    @contextmanager
    def attached(self, stack: Stack) -> Iterator[None]:
        """Within the block the model computes with the weights of the stack's views.

        Its inputs are rows, as many for each bot, those of the first bot first.
        """

        def forward_of(module: Any) -> Forward | None:
            kind, weight = _kind(module), self._name(module, "weight")
            if kind is None or weight is None:
                return None
            bias = self._name(module, "bias")
            return lambda x: kind(
                module, x, stack.views[weight], None if bias is None else stack.views[bias]
            )

        with replaced(self.model, forward_of):
            yield

    def put(self, numbers: torch.Tensor) -> None:
        """Give the model itself the weights of one bot."""
        self._flat.load(numbers)

    def _name(self, module: Any, part: str) -> str | None:
        parameter = getattr(module, part, None)
        return None if parameter is None else self._names[id(parameter)]

    def heads(self, stack: Stack) -> list[torch.Tensor]:
        """The head's weight for each bot of the views, with its gradient where there is one."""
        view = stack.views[self._names[id(self.model.get_output_embeddings().weight)]]
        heads = list(view.detach())
        if view.grad is not None:
            for head, grad in zip(heads, view.grad, strict=True):
                head.grad = grad
        return heads


_ADVICE = "train it alone, or as an adapter"


def _kind(module: Any) -> Any:
    """What computes a layer for several bots, or None."""
    kind = type(module)
    if kind in _KINDS:
        return _KINDS[kind]
    # Llama's and those that copied it; Gemma's multiplies otherwise, and has another attribute.
    if kind.__name__.endswith("RMSNorm") and hasattr(module, "variance_epsilon"):
        return _root_mean_square
    return None


def _linear(_layer: Any, x: torch.Tensor, weight: torch.Tensor, bias: Any) -> torch.Tensor:
    return _with_bias(turned_product(_by_bot(x, weight), weight), x, bias)


def _conv1d(_layer: Any, x: torch.Tensor, weight: torch.Tensor, bias: Any) -> torch.Tensor:
    return _with_bias(product(_by_bot(x, weight), weight), x, bias)


def _with_bias(found: torch.Tensor, x: torch.Tensor, bias: Any) -> torch.Tensor:
    whole = found if bias is None else found + vector(bias)[:, None]
    return whole.view(*x.shape[:-1], -1)


def _layer_norm(layer: Any, x: torch.Tensor, weight: torch.Tensor, bias: Any) -> torch.Tensor:
    # Norms are in fp32: SmolLM2's bf16 gradients differ from fp32 ones by 0.23 then, else by 0.37.
    plain = functional.layer_norm(x.float(), layer.normalized_shape, None, None, layer.eps)
    scaled = _by_bot(plain, weight) * vector(weight)[:, None].float()
    return _with_bias(scaled.to(x.dtype), x, bias)


def _root_mean_square(layer: Any, x: torch.Tensor, weight: torch.Tensor, _: Any) -> torch.Tensor:
    plain = functional.rms_norm(x.float(), x.shape[-1:], None, layer.variance_epsilon)
    return (_by_bot(plain, weight) * vector(weight)[:, None].float()).to(x.dtype).view(x.shape)


def _embedding(_layer: Any, ids: torch.Tensor, weight: torch.Tensor, _: Any) -> torch.Tensor:
    return lookup(ids.reshape(len(weight), -1), weight).view(*ids.shape, -1)


def _by_bot(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return x.reshape(len(weight), -1, x.size(-1))


_KINDS = {
    torch.nn.Linear: _linear,
    Conv1D: _conv1d,
    torch.nn.LayerNorm: _layer_norm,
    torch.nn.Embedding: _embedding,
}
