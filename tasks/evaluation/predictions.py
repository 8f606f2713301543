"""What a bot writes for the five starts of the original and without one, and what it repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.core.records import Prediction
from tasks.evaluation.memorisation import find_repeats
from tasks.generation.sampling import Wanted, sample_each

STARTS = ("I think that", "I like", "I don't like", "I want", "My dream is")
EACH = 5
# With the predictions a hundred: as many as it takes to tell one repeat of twenty from none.
FREE = 75


@dataclass(frozen=True)
class Written:
    """What a bot wrote.

    samples: texts looked through, the predictions among them; verbatim of them stand in a training
        post, repeated of them do, or nearly.
    """

    predictions: tuple[Prediction, ...]
    samples: int
    verbatim: int
    repeated: int


def generate_samples(
    model: Any, tokenizer: Any, training_texts: Sequence[str], *, seed: int
) -> Written:
    """Five texts for each start, in the order of the starts, and 75 more to look through.

    These begin with nothing and may mention people, because so write the weights by themselves, in
    other hands than ours.
    """
    starts = [start for start in STARTS for _ in range(EACH)]
    wanted = [*map(Wanted, starts), *[Wanted(keep_mentions=True)] * FREE]
    texts = sample_each(model, tokenizer, wanted, seed=seed)
    repeats = find_repeats(texts, training_texts)
    return Written(
        predictions=tuple(
            Prediction(start, text, bool(each))
            for start, text, each in zip(starts, texts, repeats, strict=False)
        ),
        samples=len(repeats),
        verbatim=sum(each.verbatim for each in repeats),
        repeated=sum(map(bool, repeats)),
    )
