"""Packed rows: documents after one another in rows of fixed width, which attention keeps apart.

For a GPU: a batch is one row, and all batches have one shape, so that one CUDA graph does every
step, and next to nothing is padding. Nothing here waits for the device, or has a shape that depends
on the tokens.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from tasks.training.data.batches import IGNORED, Batch

_PADDING = -1
# Both take a mask of numbers, in the forward pass and in the backward pass. Left to itself, torch
# may choose by what the card, the driver and the moment offer.
_KERNELS = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
# Padding is attended to in pieces of so many tokens, so that it costs no more than documents do.
_PIECE = 64
_CAUSAL = 1  # in torch's memory-efficient attention


class Bounds(NamedTuple):
    """What attention over a batch is launched for. More than it needs costs idle blocks of threads.

    documents: in all rows, pieces of padding among them. tokens: of the longest.
    """

    documents: int
    tokens: int

    def widened(self, other: Bounds) -> Bounds:
        """Bounds for both: this one, doubled until the other fits too."""
        return Bounds(*(_doubled(mine, least) for mine, least in zip(self, other, strict=True)))


def _doubled(number: int, least: int) -> int:
    while number < least:
        number *= 2
    return number


class PackedRows:
    """Tokens of documents, in rows.

    tensor: int64, 5 × rows × width: ids, positions, documents (whose a token is, or -1 for
    padding), targets (the token after each in its document, or IGNORED), and starts (where each
    document or piece of padding starts, in all rows; from the last on, the number of tokens).
    ids, positions: 1 × tokens, as the model reads them; targets: a vector.
    """

    def __init__(self, tensor: torch.Tensor, bounds: Bounds) -> None:
        ids, positions, self._documents, targets, starts = tensor
        self.ids, self.positions = ids.view(1, -1), positions.view(1, -1)
        self.targets = targets.flatten()
        self._bounds = bounds
        self._starts = starts.flatten()[: bounds.documents + 1].int()
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
        sees_all = window is None or window >= self._bounds.tokens
        if sees_all and _knows_lengths(query.device):
            return self._by_lengths(query, key, value, scaling)
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

    def _by_lengths(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float
    ) -> torch.Tensor:
        """Each document alone, so that nothing is computed between two."""
        starts, most = self._starts, self._bounds.tokens
        found, *_ = torch.ops.aten._efficient_attention_forward(  # noqa: SLF001 - no public function takes fp32
            *(part[None] for part in (query, key, value)),
            None,
            starts,
            starts,
            most,
            most,
            0.0,
            _CAUSAL,
            compute_log_sumexp=True,
            scale=scaling,
        )
        return found[0]  # type: ignore[no-any-return]  # an operator of torch's is untyped

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


def _knows_lengths(device: torch.device) -> bool:
    """Whether torch's memory-efficient attention takes documents' lengths there."""
    return device.type not in ("cpu", "mps") and torch.version.hip is None


def pack(batch: Batch, width: int) -> tuple[torch.Tensor, Bounds]:
    """The documents of a batch in as few rows of this width as their order allows.

    Returns what `PackedRows` takes. Raises ValueError where one does not fit in a row.
    """
    real = batch.labels != IGNORED
    lengths = real.sum(1).tolist()
    firsts, end = [], 0
    for length in lengths:
        if length > width:
            raise ValueError(f"{length} tokens do not fit in a row of {width}")
        if end % width + length > width:
            end += -end % width
        firsts.append(end)
        end += length
    document, position = real.nonzero(as_tuple=True)
    places = torch.tensor(firsts)[document] + position
    following = functional.pad(batch.labels[:, 1:], (0, 1), value=IGNORED)
    rows = torch.zeros((5, -(-end // width) * width), dtype=torch.long)
    rows[2], rows[3], rows[4] = _PADDING, IGNORED, rows.size(1)
    rows[:4, places] = torch.stack((batch.ids[real], position, document, following[real]))
    starts = _starts(rows[2])
    rows[4, : len(starts)] = starts
    return rows.view(5, -1, width), Bounds(len(starts), max(*lengths, _PIECE))


def _starts(documents: torch.Tensor) -> torch.Tensor:
    """Where a document or a piece of padding starts, from the document of each token."""
    changes = torch.ones(len(documents), dtype=torch.bool)
    changes[1:] = documents[1:] != documents[:-1]
    changes |= (documents == _PADDING) & (torch.arange(len(documents)) % _PIECE == 0)
    return changes.nonzero()[:, 0]
