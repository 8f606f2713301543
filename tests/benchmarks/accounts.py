"""Texts to measure on: real accounts where they lie beside the checkout, else made-up ones.

A file of them, one JSON object a line with `handle`, `split` and `text`, can be carried to a
machine that has neither the posts nor the libraries that read them.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.sample_posts import sentences

if TYPE_CHECKING:
    import pyarrow as pa

REAL_POSTS = Path(__file__).parents[3] / "shared" / "tweets"
# The accounts, their files, and the part of the asked posts that is used: the last is a small one.
ACCOUNTS = (
    ("elonmusk", "elonmusk.txt", 1.0),
    ("drob", "drob.csv", 1.0),
    ("juliasilge", "juliasilge.csv", 0.4),
)
# Of the made-up posts one in so many is held out.
HELD_OUT = 10


class Account(NamedTuple):
    """What a bot is trained on and measured by."""

    handle: str
    train: list[str]
    held_out: list[str]


def accounts(posts: int, number: int = len(ACCOUNTS)) -> list[Account]:
    """The newest raw `posts` of two accounts, and fewer of a third; `number` of them at most."""
    if not REAL_POSTS.is_dir():
        return made_up(posts)[:number]
    return [
        imported(name, REAL_POSTS / file, round(posts * share))
        for name, file, share in ACCOUNTS[:number]
    ]


def made_up(posts: int) -> list[Account]:
    """As many accounts of as many posts, which a model can learn something from."""
    sizes = [round(posts * share) for _, _, share in ACCOUNTS]
    texts = iter(sentences(sum(sizes)))
    groups = [list(itertools.islice(texts, size)) for size in sizes]
    return [
        Account(f"generated{n}", group[len(group) // HELD_OUT :], group[: len(group) // HELD_OUT])
        for n, group in enumerate(groups)
    ]


def stored_posts(name: str, file: Path) -> pa.Table:
    """All posts of an account, as they are read from the storage after an import."""
    from tasks.core.names import Handle
    from tasks.lake.posts import append, read
    from tasks.sources.file_sources import open_file_source
    from tasks.storage import open_storage

    handle = Handle(name)
    with tempfile.TemporaryDirectory() as temporary:
        storage = open_storage(temporary)
        source = open_file_source(file, handle)
        append(storage, handle, source.batches(None), scraped_at=datetime.now(UTC))
        return read(storage, handle)


def imported(name: str, file: Path, posts: int, skip: int = 0) -> Account:
    """So many of an account's newest posts, curated as a bot's are; `skip` newer ones left out."""
    from tasks.core.names import Bot, Handle
    from tasks.curation.corpus import build_corpus
    from tasks.curation.corpus_files import read_corpus, write_corpus
    from tasks.storage import open_storage

    bot, table = Bot.parse(name), stored_posts(name, file)
    end = table.num_rows - skip
    newest = {Handle(name): table.slice(max(end - posts, 0), min(posts, end))}
    with tempfile.TemporaryDirectory() as temporary:
        storage = open_storage(temporary)
        curated = build_corpus(bot, newest, filter_name="modern", floor=0, warn_below=0)
        texts = read_corpus(storage, write_corpus(storage, curated, bot, "modern"))
        return Account(name, list(texts.train), list(texts.held_out))


def write_texts(file: Path, of: list[Account]) -> None:
    """All accounts as lines of JSON."""
    lines = [
        json.dumps({"handle": account.handle, "split": split, "text": text})
        for account in of
        for split, texts in (("train", account.train), ("held_out", account.held_out))
        for text in texts
    ]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_texts(file: Path) -> list[Account]:
    """The accounts of such a file, in its order."""
    found: dict[str, Account] = {}
    with file.open(encoding="utf-8") as stream:
        for row in map(json.loads, stream):
            account = found.setdefault(row["handle"], Account(row["handle"], [], []))
            (account.train if row["split"] == "train" else account.held_out).append(row["text"])
    return list(found.values())
