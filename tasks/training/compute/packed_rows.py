"""A packed row: a batch's documents after one another, in a row of fixed width, with a mask.

One shape for every step is what a GPU wants: one CUDA graph, and next to no padding. A mask keeps
the documents apart. Nothing trains with it yet: on a CPU packed attention needs no mask, and on a
GPU it is to take the place of padded rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from tasks.training.data.batches import IGNORED, Batch

_PADDING = -1


@dataclass(frozen=True)
class PackedRow:
    """Documents in one row, all 1 × width, int64.

    ids, positions: of the tokens, as the model reads them. documents: whose a token is, or -1 for
    padding. targets: the token after each in its document, or IGNORED.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    documents: torch.Tensor
    targets: torch.Tensor

    def inputs(self, dtype: torch.dtype) -> dict[str, Any]:
        """What a model that computes in this type is called with."""
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


def packed_row(batch: Batch, width: int) -> PackedRow:
    """The documents of a batch as one row. Raises ValueError where they do not fit in it."""
    real = batch.labels != IGNORED
    document, position = real.nonzero(as_tuple=True)
    if len(document) > width:
        raise ValueError(f"{len(document)} tokens do not fit in a row of {width}")
    following = torch.nn.functional.pad(batch.labels[:, 1:], (0, 1), value=IGNORED)
    row = torch.zeros((4, 1, width), dtype=torch.long, device=batch.ids.device)
    row[2], row[3] = _PADDING, IGNORED
    row[:, 0, : len(document)] = torch.stack((batch.ids[real], position, document, following[real]))
    return PackedRow(*row)
