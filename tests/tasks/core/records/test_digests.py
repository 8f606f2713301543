from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tasks.core.names import Bot
from tasks.core.records import (
    Base,
    Corpus,
    Counts,
    FileRef,
    Gate,
    GateFigures,
    Spec,
    Status,
    digest,
)


def test_the_digest_follows_content_alone() -> None:
    assert digest(Bot.parse("b-a"), {"x": 1, "y": 2}) == digest(Bot.parse("a-b"), {"y": 2, "x": 1})
    assert digest(Spec()) != digest(Spec(seed=1))
    assert digest(datetime(2026, 1, 1, tzinfo=UTC)) != digest(datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(TypeError):
        digest(object())


def test_cache_keys_and_fingerprints_of_older_versions_are_found_again() -> None:
    bot = Bot.parse("bob_1-alice")
    file, counts = FileRef("corpora/x.parquet", "00", 1), {"alice": Counts(3, 1, {"retweet": 2})}
    corpus = Corpus(bot, file, "modern", counts, 10, 1, 0, ("x_api",), "2026-01-01", None)
    corpus = replace(corpus, languages=("en",), all_posts=file)
    base = Base("embedded", "/base", "r1", "a package", "mit")
    gate = Gate(True, ("a",), GateFigures(0.1, None, 0.0))
    parameters = {"bot": Bot.parse("alice.bsky.social"), "gate": gate, "status": Status.RELEASED}
    # The defaults of those versions, which a bot's settings may still ask for.
    spec = Spec(patience=1, evaluations=2)
    fingerprint = digest(4, corpus.bot, corpus.file.sha256, base.id, base.revision, spec)
    assert [
        digest(corpus, base, replace(spec, mode="adapter")),
        fingerprint,
        digest("storage", parameters),
    ] == [
        "9adfabc37a7a442e737cafa5d09b984973f5740740f88235455c6454790ada4d",
        "b7307f5f78d6a303ff24c611452af24dcc41ea0bbcb420bc6039d7fa4c04fc29",
        "62669d7485eb8511fcc90e0ce9ce32c3ae45719ebf36f91bc7ed47bcf00eb668",
    ]
