from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tasks.training.data.batches import (
    IGNORED,
    PADDED,
    Batch,
    batches_of,
    epoch,
    equal_shares,
    tokens_a_step,
)

documents = st.lists(st.lists(st.integers(1, 99), min_size=2, max_size=40), min_size=1, max_size=60)


def unpadded(batches: list[Batch]) -> Counter[tuple[int, ...]]:
    return Counter(
        tuple(token for token in row if token != IGNORED)
        for batch in batches
        for row in batch.labels.tolist()
    )


@given(documents, st.integers(8, 200), st.integers(0, 5))
def test_an_epoch_holds_each_document_once(
    docs: list[list[int]], batch_tokens: int, seed: int
) -> None:
    batches = epoch(docs, batch_tokens, seed)
    assert unpadded(batches) == Counter(map(tuple, docs))
    assert sum(batch.tokens for batch in batches) == sum(len(doc) - 1 for doc in docs)
    again = epoch(docs, batch_tokens, seed)
    assert [b.ids.tolist() for b in again] == [b.ids.tolist() for b in batches]


@given(documents, st.integers(8, 200))
def test_batches_keep_to_their_size_and_pad_little(
    docs: list[list[int]], batch_tokens: int
) -> None:
    for batch in batches_of(docs, batch_tokens):
        tokens = int((batch.labels != IGNORED).sum())
        assert tokens <= batch_tokens or len(batch.ids) == 1
        assert batch.ids.numel() <= PADDED * batch_tokens or len(batch.ids) == 1
        assert batch.ids.shape[1] % 8 == 0
        assert (batch.ids[batch.labels == IGNORED] == 0).all()


def test_seeds_give_other_orders() -> None:
    docs = [[n, n + 1] for n in range(1, 60)]
    first, second = (epoch(docs, 32, seed)[0].ids.tolist() for seed in (0, 1))
    assert first != second


@given(
    st.lists(st.lists(st.integers(1, 9), min_size=2, max_size=9), min_size=1, max_size=20),
    st.lists(st.lists(st.integers(11, 19), min_size=2, max_size=9), min_size=1, max_size=20),
)
def test_handles_get_equal_shares_without_needless_repetition(
    few: list[list[int]], many: list[list[int]]
) -> None:
    owners = ["a"] * len(few) + ["b"] * len(many)
    shared = equal_shares(few + many, owners, seed=0)
    tokens = {
        name: sum(len(doc) for doc in shared if (doc[0] < 10) == (name == "a")) for name in "ab"
    }
    longest = max(len(doc) for doc in few + many)
    assert abs(tokens["a"] - tokens["b"]) < longest
    for docs in (few, many):
        own = Counter(map(tuple, docs))
        times = [Counter(map(tuple, shared))[doc] / number for doc, number in own.items()]
        assert max(times) - min(times) <= 1


def test_one_handle_is_left_as_it_is() -> None:
    assert equal_shares([[1, 2], [3, 4]], ["a", "a"], seed=0) == [[1, 2], [3, 4]]


def test_a_small_corpus_is_trained_in_smaller_steps() -> None:
    assert tokens_a_step([[0] * 16] * 32, 64) == 64
    assert tokens_a_step([[0] * 16] * 31, 64) == 32
    assert tokens_a_step([[0]], 1) == 1
