"""What a bot writes for the five starts of the original, and whether it repeats its posts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.evaluation.sampling import sample
from tasks.records import Prediction

STARTS = ("I think that", "I like", "I don't like", "I want", "My dream is")
EACH = 5


def predict(
    model: Any, tokenizer: Any, training_texts: Sequence[str], *, seed: int
) -> tuple[Prediction, ...]:
    """Five texts for each start, in the order of the starts.

    One repeats a post if it stands in it, blanks and capitals aside.
    """
    # No text holds a newline once its blanks are equal, so none is found across two posts.
    known = "\n".join(_normal(text) for text in training_texts)
    written = sample(model, tokenizer, STARTS, EACH, seed=seed)
    return tuple(
        Prediction(start, text, _normal(text) in known)
        for start, texts in zip(STARTS, written, strict=True)
        for text in texts
    )


def _normal(text: str) -> str:
    return " ".join(text.split()).casefold()
