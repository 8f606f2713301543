from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.training.compute.packed_attention import attend, laid_out
from tasks.training.compute.packed_rows import Bounds, PackedRows, pack
from tasks.training.data.batches import IGNORED, pad

DOCUMENTS = [[5, 6, 7, 8], [9, 10], [11, 12, 13, 14, 15, 16]]


def heads(tokens: int, number: int) -> torch.Tensor:
    return torch.randn(tokens, number, 8, generator=torch.Generator().manual_seed(number))


@pytest.mark.parametrize("width", [6, 8, 12, 16])
@pytest.mark.parametrize("window", [1, 3, None])
@pytest.mark.parametrize("shared", [1, 2])
def test_each_document_attends_to_itself_alone(width: int, window: int | None, shared: int) -> None:
    rows = PackedRows(*pack(pad(DOCUMENTS), width))
    tokens = rows.ids.size(1)
    query, key, value = heads(tokens, 4), heads(tokens, 4 // shared), heads(tokens, 4 // shared)
    with laid_out(rows):
        found = attend(query, key, value, 0.3, window)
    for document in DOCUMENTS:
        places = torch.tensor([rows.ids[0].tolist().index(token) for token in document])
        asking = query[places].transpose(0, 1)
        keys, values = (
            part[places].repeat_interleave(shared, 1).transpose(0, 1) for part in (key, value)
        )
        seen = torch.ones(len(places), len(places)).tril()
        if window is not None:
            seen = seen.triu(1 - window)
        scores = (asking @ keys.transpose(1, 2) * 0.3).masked_fill(seen == 0, -torch.inf)
        expected = (scores.softmax(-1) @ values).transpose(0, 1)
        torch.testing.assert_close(found[places], expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_masked_weighs_nothing_even_after_kernels_have_scaled_it(
    dtype: torch.dtype,
) -> None:
    """As a kernel does that takes keys in blocks, of which the first may be masked as a whole."""
    lowest = torch.finfo(dtype).min / 4
    masked = torch.tensor(lowest, dtype=dtype).float() * torch.tensor(1.4427)  # log2(e)
    assert masked.isfinite()
    assert torch.exp2(masked - masked) == 1
    assert torch.exp2(masked - torch.tensor(-1e6)) == 0


@given(
    st.lists(st.lists(st.integers(1, 99), min_size=2, max_size=20), min_size=1, max_size=9),
    st.integers(20, 40),
)
def test_rows_hold_every_document_once_and_no_more(documents: list[list[int]], width: int) -> None:
    tensor, bounds = pack(pad(documents), width)
    ids, positions, owners, targets, starts = tensor.flatten(1).tolist()
    assert len(ids) % width == 0
    for number, document in enumerate(documents):
        first = owners.index(number)
        last = first + len(document)
        assert ids[first:last] == document
        assert positions[first:last] == list(range(len(document)))
        assert targets[first:last] == [*document[1:], IGNORED]
        assert first // width == (last - 1) // width, "in one row"
        assert owners.count(number) == len(document)
    padding = [n for n, owner in enumerate(owners) if owner == -1]
    assert all(targets[n] == IGNORED for n in padding)
    changes = [
        n
        for n, owner in enumerate(owners)
        if n == 0 or owner != owners[n - 1] or (owner == -1 and n % 64 == 0)
    ]
    assert starts[: bounds.documents] == changes
    assert set(starts[bounds.documents :]) <= {len(ids)}
    assert bounds.tokens >= max(b - a for a, b in itertools.pairwise([*changes, len(ids)]))


def test_long_padding_is_cut_in_pieces_no_longer_than_the_bounds() -> None:
    tensor, bounds = pack(pad(DOCUMENTS), 512)
    starts = tensor[4].flatten().tolist()
    assert starts[: bounds.documents + 1] == [0, 4, 6, 12, *range(64, 512, 64), 512]
    assert bounds == Bounds(documents=3 + 8, tokens=64)


def test_bounds_are_doubled_until_a_batch_fits() -> None:
    bounds = Bounds(64, 128)
    assert bounds.widened(Bounds(64, 20)) == bounds
    assert bounds.widened(Bounds(65, 300)) == Bounds(128, 512)


def test_a_batch_of_a_steps_tokens_is_one_row_without_gaps() -> None:
    assert pack(pad(DOCUMENTS), 12)[0].shape == (5, 1, 12)
    assert pack(pad(DOCUMENTS), 11)[0].shape == (5, 2, 11)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="6 tokens do not fit in a row of 5"):
        pack(pad(DOCUMENTS), 5)
