from __future__ import annotations

from prefect.serializers import JSONSerializer
from pydantic import TypeAdapter

from tasks.core.names import Bot
from tasks.core.records import Corpus, Counts, FileRef, Outcome, Status


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
