"""Causal attention for documents that stand after one another; without padding, on a CPU.

A GPU's rows (`packed_rows`) come by the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Protocol

import torch
from transformers import AttentionInterface

from tasks.training.data.batches import IGNORED, Batch

NAME = "huggingtweets_documents"


class Tokens(Protocol):
    """Tokens of documents that stand after one another, however they are laid out."""

    def attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scaling: float,
        window: int | None,
    ) -> torch.Tensor:
        """As `attend`."""
        ...


class Layout:
    """Where a batch's tokens stand: packed, one after another, or padded, a document a row.

    ids, positions: 1 × tokens, as the model reads them; targets: the token after each, or IGNORED.
    """

    def __init__(self, batch: Batch) -> None:
        real = batch.labels != IGNORED
        self.rows, self.width = batch.ids.shape
        row, column = real.nonzero(as_tuple=True)
        self.ids, self.positions = batch.ids[real][None], column[None]
        following = torch.nn.functional.pad(batch.labels[:, 1:], (0, 1), value=IGNORED)
        self.targets = following[real]
        self._row, self._column = row, column
        self._places: dict[int, torch.Tensor] = {}

    def attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scaling: float,
        window: int | None,
    ) -> torch.Tensor:
        """As `attend`."""
        return _Attention.apply(query, key, value, self, scaling, window)  # type: ignore[no-any-return, no-untyped-call]  # so in torch

    def spread(self, packed: torch.Tensor) -> torch.Tensor:
        """Tokens × heads × size as (rows · heads) × width × size, with zeros for padding."""
        _, heads, size = packed.shape
        padded = packed.new_zeros(self.rows * heads * self.width, size)
        padded.index_copy_(0, self._of(heads), packed.reshape(-1, size))
        return padded.view(self.rows * heads, self.width, size)

    def pack(self, padded: torch.Tensor, heads: int) -> torch.Tensor:
        """The reverse of `spread`; padding is left out."""
        size = padded.size(-1)
        return padded.reshape(-1, size).index_select(0, self._of(heads)).view(-1, heads, size)

    def _of(self, heads: int) -> torch.Tensor:
        """The place of each token's heads among the padded ones."""
        if heads not in self._places:
            head = torch.arange(heads)
            lines = (self._row[:, None] * heads + head) * self.width + self._column[:, None]
            self._places[heads] = lines.flatten()
        return self._places[heads]


_layout: ContextVar[Tokens] = ContextVar("layout")


@contextmanager
def laid_out(layout: Tokens) -> Iterator[None]:
    """Attention within the block is for tokens in this layout."""
    token = _layout.set(layout)
    try:
        yield
    finally:
        _layout.reset(token)


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scaling: float,
    window: int | None = None,
) -> torch.Tensor:
    """Softmax(QK · scaling + causal bias)V, each document alone; all are tokens × heads × size.

    window: how many tokens one may see, itself included; None for all.
    """
    return _layout.get().attend(query, key, value, scaling, window)


class _Attention(torch.autograd.Function):
    """Two plain products: faster than fused kernels on texts as short as posts.

    Heads that share keys use them together, so that no key is repeated.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        layout: Layout,
        scaling: float,
        window: int | None,
    ) -> torch.Tensor:
        heads, groups = query.size(1), key.size(1)
        keys, values = layout.spread(key), layout.spread(value)
        asking = layout.spread(query).view(len(keys), -1, query.size(-1))
        bias = _causal_bias(layout.width, heads // groups, query.dtype, window)
        scores = torch.baddbmm(bias, asking, keys.transpose(1, 2), alpha=scaling)
        weights = scores.softmax(-1)
        ctx.save_for_backward(asking, keys, values, weights)
        ctx.layout, ctx.scaling, ctx.heads, ctx.groups = layout, scaling, heads, groups
        return layout.pack(torch.bmm(weights, values), heads)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        asking, keys, values, weights = ctx.saved_tensors
        layout, heads, groups = ctx.layout, ctx.heads, ctx.groups
        out = layout.spread(grad).view_as(asking)
        for_values = torch.bmm(weights.transpose(1, 2), out)
        for_weights = torch.bmm(out, values.transpose(1, 2))
        scores = torch.ops.aten._softmax_backward_data(for_weights, weights, -1, weights.dtype)  # noqa: SLF001 - what autograd itself calls
        scores.mul_(ctx.scaling)
        for_query = torch.bmm(scores, keys)
        for_keys = torch.bmm(scores.transpose(1, 2), asking)
        return (
            layout.pack(for_query, heads),
            layout.pack(for_keys, groups),
            layout.pack(for_values, groups),
            None,
            None,
            None,
        )


@lru_cache(maxsize=64)
def _causal_bias(length: int, shared: int, dtype: torch.dtype, window: int | None) -> torch.Tensor:
    """0 where a token may look, -inf where it may not: 1 × (shared · length) × length."""
    seen = torch.ones(length, length, dtype=torch.bool).tril()
    if window is not None:
        seen = seen.triu(1 - window)
    bias = torch.zeros(length, length, dtype=dtype).masked_fill_(~seen, -torch.inf)
    return bias.repeat(1, shared, 1)


# Gemma 2 bends the scores, gpt-oss lets a token look at nothing; others choose where it looks.
_UNKNOWN = ("softcap", "s_aux", "sinks", "position_bias", "block_indices", "indices")


def _for_transformers(
    _module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _mask: torch.Tensor | None,
    scaling: float,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """The same for one row of tokens in transformers' order: 1 × heads × tokens × size."""
    if unknown := [name for name in _UNKNOWN if others.get(name) is not None]:
        raise NotImplementedError(f"attention with {unknown[0]}")
    query, key, value = (part[0].transpose(0, 1) for part in (query, key, value))
    return attend(query, key, value, scaling, sliding_window)[None], None


AttentionInterface.register(NAME, _for_transformers)
