"""The batches of several bots as one: a row a bot, in which its documents follow one another.

Batches of different bots have documents of different lengths, but about as many tokens; so next to
nothing in such a row is padding. A mask keeps the documents of a row apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tasks.training.data.batches import IGNORED, Batch, rounded

_PADDING = -1


@dataclass(frozen=True)
class Rows:
    """Documents in rows, all rows × width, int64.

    ids, positions: of the tokens, as the model reads them. documents: whose a token is, or -1 for
    padding. aims: the token after each in its document, or IGNORED.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    documents: torch.Tensor
    aims: torch.Tensor

    def inputs(self, dtype: torch.dtype) -> dict[str, Any]:
        """What a model that computes in this type is to be called with."""
        return {
            "input_ids": self.ids,
            "position_ids": self.positions,
            "attention_mask": self._bias(dtype),
            "use_cache": False,
        }

    def _bias(self, dtype: torch.dtype) -> torch.Tensor:
        """0 where a token may look: before it, in its own document; else the lowest number."""
        seen = (self.documents[:, :, None] == self.documents[:, None, :]).tril()
        lowest = torch.finfo(dtype).min
        bias = torch.full(seen.shape, lowest, dtype=dtype, device=seen.device)
        return bias.masked_fill_(seen, 0)[:, None]


def in_rows(batches: Sequence[Batch], width: int = 0) -> Batch:
    """A row for each batch, at least `width` long, as one tensor of 4 × rows × width in `ids`.

    `rows_of` reads it. As a Batch it can go wherever one goes that need not be looked into.
    """
    real = [batch.labels != IGNORED for batch in batches]
    longest = max(int(tokens.sum()) for tokens in real)
    width = max(width, rounded(longest))
    packed = torch.zeros((4, len(batches), width), dtype=torch.long)
    packed[2], packed[3] = _PADDING, IGNORED
    for row, (batch, tokens) in enumerate(zip(batches, real, strict=True)):
        document, position = tokens.nonzero(as_tuple=True)
        following = torch.nn.functional.pad(batch.labels[:, 1:], (0, 1), value=IGNORED)
        parts = (batch.ids[tokens], position, document, following[tokens])
        packed[:, row, : len(document)] = torch.stack(parts)
    return Batch(packed, packed[3, :1, :1], sum(batch.tokens for batch in batches))


def rows_of(packed: torch.Tensor) -> Rows:
    """The rows in such a tensor."""
    return Rows(*packed)
