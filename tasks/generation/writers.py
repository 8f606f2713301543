"""A copy of a model that does nothing but write, and does so fast."""

from __future__ import annotations

import copy
from typing import Any

import torch

from tasks.generation.fast_products import use_fast_products
from tasks.generation.lean_layers import LeanLlamaLayer
from tasks.training.compute.precision import has_fast_bf16

# Models that ask of their products nothing but to be computed.
_PACKABLE = ("gpt2", "llama")


def writer_of(model: Any) -> Any:
    """The model for writing: in bf16 where that is faster, else with the very same weights.

    The model itself stays as it is.
    """
    parameter = next(model.parameters())
    dtype = torch.bfloat16 if has_fast_bf16(parameter.device) else parameter.dtype
    # Copied in their new type at once; buffers, such as the positions' frequencies, keep theirs.
    weights = {
        id(parameter): torch.nn.Parameter(parameter.detach().to(dtype), requires_grad=False)
        for parameter in model.parameters()
    }
    writer = copy.deepcopy(model, weights)
    if model.config.model_type == "llama":
        layers = [LeanLlamaLayer(layer) for layer in writer.model.layers]
        writer.model.layers = torch.nn.ModuleList(layers)
    if not (model.config.model_type in _PACKABLE and use_fast_products(writer)):
        writer.get_output_embeddings().register_forward_pre_hook(_in_one_piece)
    return writer


def _in_one_piece(_head: Any, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    """The head's input without gaps.

    The last token of each prompt has the others between; of such a product torch copies the head's
    weights once for each row, which took ten of the thirteen seconds for 100 posts, and gigabytes.
    """
    return (inputs[0].contiguous(),)
