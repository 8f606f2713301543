"""Packed rows: documents after one another in rows of fixed width, kept apart by a mask: for a GPU.

A batch is one row, and all batches have one shape: one CUDA graph does every step, and next to
nothing is padding. Nothing here waits for the device, or has a shape that depends on the tokens.
"""

from __future__ import annotations

import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from tasks.training.data.batches import IGNORED, Batch

_PADDING = -1
# Both take a mask of numbers, in the forward pass and in the backward pass. Left to itself, torch
# may choose by what the card, the driver and the moment offer.
_KERNELS = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


class PackedRows:
    """Tokens of documents, in rows.

    tensor: int64, 4 × rows × width: ids, positions, documents (whose a token is, or -1 for
    padding), and targets (the token after each in its document, or IGNORED).
    ids, positions: 1 × tokens, as the model reads them; targets: a vector.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor
        ids, positions, self._documents, targets = tensor
        self.ids, self.positions = ids.view(1, -1), positions.view(1, -1)
        self.targets = targets.flatten()
        self._biases: dict[tuple[torch.dtype, int | None], torch.Tensor] = {}

    def attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scaling: float,
        window: int | None,
    ) -> torch.Tensor:
        """As `packed_attention.attend`."""
        shared = query.size(1) // key.size(1)
        key, value = (_repeated(part, shared) for part in (key, value))
        query, key, value = (
            part.view(*self._documents.shape, *part.shape[1:]).transpose(1, 2)
            for part in (query, key, value)
        )
        bias = self._bias(query.dtype, window)
        with sdpa_kernel(_KERNELS):
            found = functional.scaled_dot_product_attention(
                query, key, value, attn_mask=bias, scale=scaling
            )
        return found.transpose(1, 2).flatten(0, 1)

    def _bias(self, dtype: torch.dtype, window: int | None) -> torch.Tensor:
        """0 where a token may look, else a very low number: rows × 1 × width × width."""
        if (dtype, window) not in self._biases:
            seen = (self._documents[:, :, None] == self._documents[:, None, :]).tril()
            if window is not None:
                seen = seen.triu(1 - window)
            # Not the lowest number: kernels multiply by log2(e), and where a block of keys is all
            # masked, minus infinity less itself is no number.
            lowest = torch.finfo(dtype).min / 4
            bias = torch.full(seen.shape, lowest, dtype=dtype, device=seen.device)
            self._biases[dtype, window] = bias.masked_fill_(seen, 0)[:, None]
        return self._biases[dtype, window]


def _repeated(part: torch.Tensor, shared: int) -> torch.Tensor:
    """Each head of tokens × heads × size so many times in succession."""
    if shared == 1:
        return part
    return part[:, :, None].expand(-1, -1, shared, -1).flatten(1, 2)


def pack(batch: Batch, width: int) -> torch.Tensor:
    """The documents of a batch in as few rows of this width as their order allows.

    Returns the tensor of `PackedRows`. Raises ValueError where one does not fit in a row.
    """
    real = batch.labels != IGNORED
    starts, end = [], 0
    for length in real.sum(1).tolist():
        if length > width:
            raise ValueError(f"{length} tokens do not fit in a row of {width}")
        if end % width + length > width:
            end += -end % width
        starts.append(end)
        end += length
    document, position = real.nonzero(as_tuple=True)
    places = torch.tensor(starts)[document] + position
    following = functional.pad(batch.labels[:, 1:], (0, 1), value=IGNORED)
    rows = torch.zeros((4, -(-end // width) * width), dtype=torch.long)
    rows[2], rows[3] = _PADDING, IGNORED
    rows[:, places] = torch.stack((batch.ids[real], position, document, following[real]))
    return rows.view(4, -1, width)
