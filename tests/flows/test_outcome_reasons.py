"""What an outcome says of the corpus that it was decided on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flows.bot import _held_back, _released
from tasks.core.names import Bot, Handle
from tasks.core.records import Corpus, Evaluation, Gate, GateFigures, Kind, Post, Release
from tasks.core.settings import settings
from tasks.curation.corpus_files import write_corpus
from tasks.lake.posts import append
from tasks.operations.curating import curate_posts
from tasks.storage import Storage
from tests.sample_posts import sentences

BOT, ALICE = Bot.parse("alice"), Handle("alice")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DRAWN = "the held-out posts of @alice were drawn at random, since the posts have no dates"


def corpus_of(storage: Storage, written: datetime | None) -> Corpus:
    posts = [
        Post(str(n), ALICE, written, text, "en", Kind.POST, "table", "{}")
        for n, text in enumerate(sentences(160))
    ]
    append(storage, ALICE, [posts], scraped_at=NOW)
    return write_corpus(storage, curate_posts(BOT, "modern", ()), BOT, "modern")


@pytest.mark.parametrize(("written", "notes"), [(None, [DRAWN]), (NOW, [])])
def test_an_outcome_says_that_held_out_posts_were_drawn(
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
    written: datetime | None,
    notes: list[str],
) -> None:
    monkeypatch.setenv("HUGGINGTWEETS_MIN_CHARACTERS", "0")
    settings.cache_clear()
    corpus = corpus_of(storage, written)
    evaluation = Evaluation(3.0, 2.5, 100, ())
    release = Release(BOT, "20260101-abc", "abc", "releases/alice/20260101-abc")
    gate = Gate(True, ("better than its base",), GateFigures(0.5, None, 0.0))
    released = _released(BOT, gate, corpus, evaluation, release)
    assert released.reason.split("; ") == [*gate.reasons, *notes]
    held_back = _held_back(BOT, replace(gate, passed=False), corpus, evaluation)
    assert held_back.reason.split("; ")[:-1] == [*gate.reasons, *notes]
