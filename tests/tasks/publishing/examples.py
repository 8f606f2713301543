"""Releases to publish, on small files instead of a trained model, and hostile names."""

from __future__ import annotations

import hashlib
import string
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from tasks.core.names import Bot
from tasks.core.records import (
    Base,
    Checkpoint,
    Corpus,
    Counts,
    Evaluation,
    FileRef,
    Prediction,
    Profile,
    Spec,
    TrackedRun,
)
from tasks.publishing.release_contents import ReleaseContents

FINGERPRINT = "0123456789abcdef" * 4
REVISION = "20260102-01234567"
CHECKPOINT = "checkpoints/alice/0123456789abcdef"
WEIGHTS = b"weights " * 500
MODEL = {
    "model.safetensors": WEIGHTS,
    "config.json": b'{"model_type": "gpt2", "prefix": "<|endoftext|>"}',
    "generation_config.json": b'{"do_sample": true}',
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b"{}",
}
STARTS = ("I think that", "I like", "I don't like", "I want", "My dream is")


def make_contents(*names: str, **changes: Any) -> ReleaseContents:
    """A contents of a bot whose handles are `alice`, `bob`, `carol`, with these display names."""
    names = names or ("Alice",)
    bot = Bot.parse("-".join(("alice", "bob", "carol")[: len(names)]))
    counts = {
        str(handle): Counts(3182, 2272, {"retweet": 721, "short": 189}) for handle in bot.handles
    }
    corpus = Corpus(
        bot,
        FileRef("corpora/alice/c.parquet", "c" * 64, 2272),
        "modern",
        counts,
        200_000,
        2045,
        227,
        ("table",),
        "2020-03-01T00:00:00+00:00",
        "2025-12-31T00:00:00+00:00",
    )
    weights = FileRef(f"{CHECKPOINT}/model.safetensors", hashlib.sha256(WEIGHTS).hexdigest())
    checkpoint = Checkpoint(
        CHECKPOINT,
        FINGERPRINT,
        weights,
        3.2,
        2e-4,
        2.0,
        300,
        150_000,
        60.0,
        "fp32",
        ((1000, 4.0, 3.9), (2000, 3.5, 3.2)),
    )
    predictions = tuple(Prediction(start, f"{start} a thing", False) for start in STARTS)
    contents = ReleaseContents(
        bot,
        REVISION,
        datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        corpus,
        Base("openai-community/gpt2", "/somewhere", "607a30d", "openai-community/gpt2", "mit"),
        checkpoint,
        Evaluation(4.1, 3.2, 5000, predictions),
        tuple(Profile(handle, name) for handle, name in zip(bot.handles, names, strict=True)),
        Spec(),
        TrackedRun(),
        None,
    )
    return replace(contents, **changes)


HOSTILE = [
    "\n---\nlicense: mine\n...",
    "[click](https://evil.example) ![x](y) <https://evil.example>",
    "| a | b |\n| --- | --- |",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "'\"); background: url('https://evil.example",
    "\u202egnirts\u202c \u2066isolated\u2069 \u200f",
    "\x1b[31mred\x1b[0m \x9b1m \x07",
    "a\u2028b\u2029c\u0085d\x0be",
    "{{ 7 * 7 }} {% raw %} ${x} %s {0}",
    "**bold** _it_ `code` ~~no~~ # title\n> quote\n- item\n1. one\n\n    code",
    "\u200b\u200d\u200d\u200d\ufeffzero",
    "Z" + "\u0301" * 500,
    "\U000e0041\U000e0042hidden tags",
    "\ud800 alone",
    "x" * 10_000,
    "👩‍👩‍👧" * 5_000,
    "https://evil.example www.evil.example me@evil.example &lt;b&gt; &#60;",
]
# Display names, and anything else that an account can write.
names = st.text(max_size=200) | st.sampled_from(HOSTILE) | st.text(string.punctuation, max_size=50)
