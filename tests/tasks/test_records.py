from __future__ import annotations

from datetime import UTC, datetime

import pytest
from prefect.serializers import JSONSerializer
from pydantic import TypeAdapter

from tasks.errors import BadInput
from tasks.names import Bot
from tasks.records import (
    Corpus,
    Counts,
    Evaluation,
    FileRef,
    Outcome,
    Prediction,
    Spec,
    Status,
    digest,
)


def test_records_come_back_from_json_as_they_were() -> None:
    for bot in (Bot.parse("bob_1-alice"), Bot.parse("alice.bsky.social_bob.com")):
        name = bot.handles[0].name
        counts = {name: Counts(3, 1, {"retweet": 2})}
        file = FileRef("corpora/x.parquet", "00", 1)
        corpus = Corpus(bot, file, "modern", counts, 10, 1, 0, ("bluesky",))
        serializer = JSONSerializer()
        assert serializer.loads(serializer.dumps(corpus)) == corpus
        outcome = Outcome(bot.name, Status.RELEASED, "", "2026-01-01", corpus=corpus)
        kind = TypeAdapter(Outcome)
        assert kind.validate_python(kind.dump_python(outcome)) == outcome
        assert kind.validate_json(kind.dump_json(outcome)) == outcome


def test_counts_must_add_up() -> None:
    assert Counts(3, 1, {"retweet": 2}).kept == 1
    with pytest.raises(AssertionError):
        Counts(3, 1, {"retweet": 1})


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"learning_rate": 0.0},
        {"schedule": "step"},
        {"precision": "fp16"},
        {"warmup": 1.0},
        {"weight_decay": -1.0},
    ],
)
def test_a_spec_that_cannot_be_trained_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        Spec(**wrong)


def test_the_digest_follows_content_alone() -> None:
    assert digest(Bot.parse("b-a"), {"x": 1, "y": 2}) == digest(Bot.parse("a-b"), {"y": 2, "x": 1})
    assert digest(Spec()) != digest(Spec(seed=1))
    assert digest(datetime(2026, 1, 1, tzinfo=UTC)) != digest(datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(TypeError):
        digest(object())


def test_the_repeated_share_counts_predictions() -> None:
    told = (Prediction("I", "I am", True), Prediction("I", "I was", False))
    assert Evaluation(2.0, 1.0, 10, told).repeated_share == 0.5
    assert Evaluation(2.0, 1.0, 10, ()).repeated_share == 0.0
