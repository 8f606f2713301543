"""The posts that tracking lists are those that curation has looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tasks.core.names import Bot, Handle
from tasks.core.records import Kind, Post
from tasks.core.settings import settings
from tasks.curation.corpus_files import write_corpus
from tasks.lake.posts import append
from tasks.operations.curating import curate_posts
from tasks.storage import Storage
from tasks.track import _tables
from tests.sample_posts import sentences

BOT, ALICE = Bot.parse("alice"), Handle("alice")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def store(storage: Storage, texts: list[str], start: int = 0) -> None:
    posts = [
        Post(str(start + n), ALICE, NOW, text, "en", Kind.POST, "table", "{}")
        for n, text in enumerate(texts)
    ]
    append(storage, ALICE, [posts], scraped_at=NOW)


def test_the_list_of_curation_is_what_the_lake_would_give(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUGGINGTWEETS_MIN_CHARACTERS", "0")
    settings.cache_clear()
    store(storage, [*sentences(160), "RT @bob: not mine"])
    corpus = write_corpus(storage, curate_posts(BOT, "modern", ()), BOT, "modern")
    from_list = _tables(storage, corpus).raw
    from_lake = _tables(storage, replace(corpus, all_posts=None)).raw
    assert from_list.num_rows == 161
    assert from_list.equals(from_lake.select(from_list.column_names))

    store(storage, ["a post that came while the bot was trained"], start=1000)
    assert _tables(storage, corpus).raw.equals(from_list)
    monkeypatch.setenv("HUGGINGTWEETS_WANDB_TEXTS", "true")
    settings.cache_clear()
    assert "text" in _tables(storage, corpus).raw.column_names
