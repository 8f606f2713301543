"""Held-out loss of base and bot on four real accounts, in nats a token; exits 1 if a bot is worse.

    python tests/benchmarks/held_out.py [FOLDER] [POSTS]

FOLDER holds the real posts (default `../shared/tweets` beside the checkout), POSTS is how many of
each account's newest are used (default 600). Base: the embedded one. Everything else: the defaults.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tasks.core.names import Bot, Handle
from tasks.core.records import Evaluation, Spec
from tasks.core.settings import Settings
from tasks.curation.corpus import build_corpus
from tasks.curation.corpus_files import read_corpus, write_corpus
from tasks.evaluation.measuring import evaluate_bot
from tasks.lake.posts import append, read
from tasks.sources.file_sources import open_file_source
from tasks.storage import Storage, open_storage
from tasks.training.bases.base_models import resolve_base
from tasks.training.checkpoint import train_checkpoint

ACCOUNTS = {
    "drob": "drob.csv",
    "juliasilge": "juliasilge.csv",
    "elonmusk": "elonmusk.txt",
    "congressedits": "edsu-archive",
}
SPEC = Spec()


def measure(name: str, file: Path, posts: int, storage: Storage) -> tuple[list[str], Evaluation]:
    """Import, curate, train and evaluate one account; returns a row and the evaluation."""
    bot, handle = Bot.parse(name), Handle(name)
    source = open_file_source(file, handle)
    append(storage, handle, source.batches(None), scraped_at=datetime.now(UTC))
    table = read(storage, handle)
    newest = {handle: table.slice(max(table.num_rows - posts, 0))}
    curated = build_corpus(bot, newest, filter_name="modern", floor=0, warn_below=0)
    texts = read_corpus(storage, write_corpus(storage, curated, bot, "modern"))
    base = resolve_base("embedded", Settings().cache)
    key = f"checkpoints/{name}"
    with storage.new_folder(key) as folder:
        checkpoint = train_checkpoint(
            texts.train,
            texts.held_out,
            texts.train_handles,
            base,
            SPEC,
            folder,
            fingerprint=name,
            uri=key,
            on_progress=lambda _progress: None,
        )
    checkpoint_folder = storage.local(key)
    begun = time.monotonic()
    result = evaluate_bot(base, checkpoint_folder, texts.train, texts.held_out, SPEC, seed=0)
    row = [
        name,
        str(len(texts.train)),
        str(len(texts.held_out)),
        f"{result.base_loss:.3f}",
        f"{result.bot_loss:.3f}",
        f"{result.bot_loss - result.base_loss:+.3f}",
        f"{checkpoint.epochs:g}",
        f"{checkpoint.seconds:.0f}",
        f"{checkpoint.tokens / checkpoint.seconds:.0f}",
        f"{time.monotonic() - begun:.0f}",
        f"{100 * result.repeated_share:.0f} %",
    ]
    return row, result


def main(folder: Path, posts: int) -> int:
    """Print the table; 1 where a bot is no better than its base."""
    table = Table(title=f"Held-out loss, the newest {posts} posts of each account, nats a token")
    for column in (
        "account",
        "trained",
        "held out",
        "base",
        "bot",
        "bot - base",
        "epochs",
        "train s",
        "tokens/s",
        "evaluate s",
        "repeats",
    ):
        table.add_column(column, justify="right")
    worse = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, file in ACCOUNTS.items():
            row, result = measure(name, folder / file, posts, open_storage(temporary))
            table.add_row(*row)
            print(*row, flush=True)
            if result.bot_loss >= result.base_loss:
                worse.append(name)
    Console(width=120).print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {peak:.1f} GiB")
    print(
        "FAIL: not below the base: " + ", ".join(worse) if worse else "every bot is below its base"
    )
    return int(bool(worse))


if __name__ == "__main__":
    default = Path(__file__).parents[3] / "shared" / "tweets"
    sys.exit(
        main(
            Path(sys.argv[1]) if len(sys.argv) > 1 else default,
            int(sys.argv[2]) if len(sys.argv) > 2 else 600,
        )
    )
