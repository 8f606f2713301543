"""Losses of single posts that were measured before, so that only new posts are measured.

A loss is known by the weights that were measured, their precision and the post's tokens. What
else changes it (which posts stand beside it in a batch, the machine) does so by rounding only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from tasks.core.records import digest
from tasks.training.data.documents import Document

# By the weights' name, and the digest of the post's tokens: nats over its scored tokens.
Losses = dict[str, dict[str, float]]
# Weights whose losses are kept: base, parent, checkpoint and release, and a spare of each.
MOST_WEIGHTS = 8
_DIGITS = 32


class PostLosses:
    """What is known of one bot's held-out posts.

    known: everything; used: what was asked for, or measured, since then.
    """

    def __init__(self, known: Mapping[str, Mapping[str, float]] | None = None) -> None:
        self.known: Losses = {name: dict(losses) for name, losses in (known or {}).items()}
        self.used: Losses = {}

    def each(
        self,
        weights: str,
        documents: Sequence[Document],
        measure: Callable[[Sequence[Document]], list[float]],
    ) -> list[float]:
        """The loss of each document, in nats; `measure` is asked for those that are not known.

        weights: their name; empty for weights that nothing can be known of.
        """
        if not weights:
            return measure(documents)
        names = [_digest(document) for document in documents]
        known = self.known.get(weights, {})
        new = [
            document for name, document in zip(names, documents, strict=True) if name not in known
        ]
        if new:
            self.learn(weights, new, measure(new))
            known = self.known.get(weights, {})
        used = {name: known[name] for name in names if name in known}
        self.used.setdefault(weights, {}).update(used)
        # Those that are no numbers are not kept.
        return [used.get(name, math.nan) for name in names]

    def learn(self, weights: str, documents: Iterable[Document], nats: Iterable[float]) -> None:
        """Keep what was measured of each document; what is known of the oldest weights goes."""
        found = {
            _digest(document): loss
            for document, loss in zip(documents, nats, strict=True)
            if math.isfinite(loss)
        }
        for losses in (self.known, self.used):
            losses[weights] = {**losses.pop(weights, {}), **found}
            while len(losses) > MOST_WEIGHTS:
                del losses[next(iter(losses))]


def weights_name(precision: str, *digests: str) -> str:
    """How weights are named here: by what they are made of, and what they compute in."""
    return f"{digest(*digests)[:_DIGITS]}-{precision}"


def _digest(document: Document) -> str:
    return digest(document)[:_DIGITS]
