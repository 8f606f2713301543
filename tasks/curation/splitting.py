"""Which kept posts are held out of training."""

from __future__ import annotations

from collections.abc import Sequence, Set

MIN_HELD_OUT, MAX_HELD_OUT = 20, 400
_SHARE = 10


def held_out_number(kept: int) -> int:
    """A tenth, at least 20 and at most 400."""
    return min(max(kept // _SHARE, MIN_HELD_OUT), MAX_HELD_OUT)


def shares(kept: Sequence[int], total: int) -> list[int]:
    """How many of `total` each handle holds out, by how much it has kept; they sum to `total`."""
    exact = [total * number / max(sum(kept), 1) for number in kept]
    given = [int(share) for share in exact]
    by_remainder = sorted(range(len(kept)), key=lambda n: (given[n] - exact[n], n))
    for number in by_remainder[: total - sum(given)]:
        given[number] += 1
    return given


def newest(texts: Sequence[str], number: int, repeated: Set[str]) -> set[int]:
    """Positions of the `number` newest texts (they come oldest first) that are not `repeated`.

    A text that stands elsewhere in the corpus would be trained on there; an older one is held out
    in its place, and where there are not enough of these, fewer are.
    """
    single = [position for position, text in enumerate(texts) if text not in repeated]
    return set(single[-number:]) if number else set()
