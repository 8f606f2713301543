"""Made-up posts that a tiny model can learn something from."""

from __future__ import annotations

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tasks.core.names import Handle
from tasks.core.records import Kind, Post

_WHO = ("my cat", "the old robot", "a quiet moon", "your teacher", "this city", "the last train")
_DOES = ("sings about", "is afraid of", "dreams of", "forgot", "paints", "keeps talking about")
_WHAT = ("warm rain", "green tea", "small islands", "the radio", "lost keys", "summer nights")


def sentence(draw: random.Random) -> str:
    """One sentence of at least six words."""
    return f"{draw.choice(_WHO)} {draw.choice(_DOES)} {draw.choice(_WHAT)}"


def sentences(number: int) -> list[str]:
    """Different texts, always the same ones."""
    draw = random.Random(0)
    return [f"{sentence(draw)} and {sentence(draw)} {n}" for n in range(number)]


def posts_by(handle: Handle, number: int) -> list[Post]:
    """Different posts of an account, an hour apart, always the same ones."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Post(
            str(1000 + n), handle, start + timedelta(hours=n), text, "en", Kind.POST, "x_api", "{}"
        )
        for n, text in enumerate(sentences(number))
    ]


def write_table(path: Path, *, posts: int, seed: int = 0) -> Path:
    """A CSV of different posts, a tenth of them retweets, as a table source reads it."""
    draw = random.Random(seed)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "created_at", "text"])
        for number in range(posts):
            text = f"{sentence(draw)} and {sentence(draw)} {number}"
            text = f"RT @somebody: {text}" if number % 10 == 0 else text
            writer.writerow([number + 1, (start + timedelta(hours=number)).isoformat(), text])
    return path
