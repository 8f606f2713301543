"""Nights of warm starts against trainings from the base, on accounts whose posts have an order.

    python -m tests.benchmarks.warm_starts ACCOUNT… [--posts N] [--nights N] [--share X] …

Each account's bot is trained from the base on its first N posts. Every night then brings new posts;
for each recipe a chain of warm starts reads them, and at the nights of `--compare` a training from
the base reads all. Both are measured on the same held-out posts. With `--policy X` a training from
the base has its turn once the share X of a chain is new: the chain goes on from it, or, where the
gate would hold it back, from its last night. Processor seconds count, not those on the wall: the
machine may be shared. Lines of JSON go to `--json FILE`; `--table FILE…` prints what such
files hold and measures nothing.
Accounts: those of ../shared/tweets, and the sample collections zippy and murphy.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.accounts import REAL_POSTS, stored_posts

FILES = {
    "drob": "drob.csv",
    "juliasilge": "juliasilge.csv",
    "elonmusk": "elonmusk.txt",
    "congressedits": "edsu-archive",
}


@dataclass(frozen=True)
class Row:
    """One training.

    recipe: `base`, or of a warm start. posts: in the corpus; read: trained on now; since_base:
    the share of the posts that is new since the chain's training from the base.
    processor, wall: seconds, evaluations included. held_out: nats a token. repeats: of a hundred
    samples, where they were drawn. after: of a warm start, the loss after the new posts; where the
    parent's was lower, its weights are kept and held_out is its loss.
    """

    account: str
    night: int
    recipe: str
    posts: int
    read: int
    since_base: float
    processor: float
    wall: float
    held_out: float
    after: float | None = None
    repeats: float | None = None
    seed: int = 0


def main(words: list[str]) -> int:
    """Measure and print; 0 in any case."""
    asked = _arguments(words)
    if asked.table:
        lines = [line for file in asked.table for line in Path(file).read_text().splitlines()]
        print_tables([Row(**json.loads(line)) for line in lines])
        return 0
    rows = []
    for account in asked.accounts:
        for row in nights(account, asked):
            print(row, flush=True)
            rows.append(row)
            if asked.json:
                with Path(asked.json).open("a") as file:
                    file.write(json.dumps(asdict(row)) + "\n")
    print_tables(rows)
    return 0


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.warm_starts")
    add = parser.add_argument
    add("accounts", nargs="*", choices=[*FILES, "zippy", "murphy", []])
    add("--posts", type=int, default=300, help="posts before the first night")
    add("--skip", type=int, default=0, help="newest posts of the account that are left out")
    add("--nights", type=int, default=5)
    add("--share", type=float, default=0.05, help="new posts a night, of those at first")
    add("--compare", type=int, nargs="*", help="nights (default: the last)")
    add("--rates", type=float, nargs="+", default=[1e-4])
    add("--epochs", type=int, nargs="+", default=[1])
    add("--tokens", type=int, nargs="+", default=[512], help="a step")
    add("--policy", type=float, help="begin anew once so large a share is new")
    add("--samples", action="store_true", help="look for repeats in 100 samples at --compare")
    add("--seed", type=int, default=0)
    add("--json")
    add("--table", nargs="+")
    return parser.parse_args(words)


def ordered_posts(account: str) -> list[str]:
    """The account's kept posts, the oldest first; in the file's order where they have no dates."""
    import pyarrow as pa

    from tasks.core.settings import settings
    from tasks.curation.filters import find_filter

    if account in FILES:
        file = REAL_POSTS / FILES[account]
    else:
        from deployments.samples import sample_tables

        file = sample_tables(settings().cache)[account]
    kept = find_filter("modern")(stored_posts(account, file), ()).kept
    dates: Any = kept["created_at"].cast(pa.int64())
    texts = kept["text"].to_pylist()
    if dates.null_count:
        return list(texts)
    return [text for _, text in sorted(zip(dates.to_pylist(), texts, strict=True))]


def split(posts: list[str]) -> tuple[list[str], list[str]]:
    """Training and held-out posts: the newest are held out, as of a corpus."""
    from tasks.curation.splitting import held_out_size

    number = held_out_size(len(posts))
    held_out = posts[-number:]
    known = {text.casefold() for text in held_out}
    return [text for text in posts[:-number] if text.casefold() not in known], held_out


class Bot:
    """One account's trainings, on one engine."""

    def __init__(self, account: str, asked: argparse.Namespace, folder: Path) -> None:
        from tasks.core.settings import Settings
        from tasks.training.bases.base_models import resolve_base
        from tasks.training.engine import engine_for
        from tasks.training.post_losses import PostLosses

        self.account, self.asked, self.folder = account, asked, folder
        self.losses = PostLosses()  # of held-out posts, kept from night to night as a bot's are
        self.digests = {"": ""}  # of the weights, by their name
        self.engine = engine_for(resolve_base("embedded", Settings().cache))
        posts = ordered_posts(account)
        self.new = max(round(asked.posts * asked.share), 1)
        needed = asked.posts + self.new * asked.nights
        self.posts = posts[: len(posts) - asked.skip][-needed:]

    def corpus(self, night: int) -> tuple[list[str], list[str]]:
        """Training and held-out posts as they are in a night."""
        first = len(self.posts) - self.new * (self.asked.nights - night)
        return split(self.posts[:first])

    def train(self, night: int, recipe: str, spec: Any, *, parent: str = "", since: int = 0) -> Row:
        """Train, and keep the weights under the recipe's name.

        parent: the name of the weights to start from. since: the posts of its training from the
        base.
        """
        from tasks.core.records import WEIGHTS
        from tasks.evaluation.predictions import generate_samples
        from tasks.storage import sha256_of
        from tasks.training.export import export_model
        from tasks.training.post_losses import weights_name
        from tasks.training.trainer import train

        train_posts, held_out = self.corpus(night)
        seen = set(self.corpus(night - 1)[0]) if parent else set()
        texts = [text for text in train_posts if text not in seen]
        begun, wall = time.process_time(), time.monotonic()
        trained = train(
            self.engine,
            texts,
            held_out,
            spec,
            parent=self.folder / parent if parent else None,
            parent_digest=self.digests[parent],
            known=self.losses,
        )
        processor, wall = time.process_time() - begun, time.monotonic() - wall
        folder = self.folder / recipe
        folder.mkdir(exist_ok=True)
        export_model(self.engine.model, self.engine.tokenizer_for_bots, folder)
        self.digests[recipe] = sha256_of(folder / WEIGHTS)
        if trained.nats:
            weights = weights_name(trained.precision, self.digests[recipe])
            self.losses.learn(weights, self.engine.documents(held_out, spec), trained.nats)
        repeats = None
        if self.asked.samples and night in self.compared:
            engine = self.engine
            written = generate_samples(engine.model, engine.tokenizer, train_posts, seed=spec.seed)
            repeats = written.repeated / written.samples
        return Row(
            self.account,
            night,
            recipe,
            len(train_posts) + len(held_out),
            len(texts),
            0.0 if not parent else (len(train_posts) - since) / since,
            round(processor, 2),
            round(wall, 2),
            round(trained.held_out_loss, 4),
            round(trained.history[0][2], 4) if parent and trained.history else None,
            repeats,
            spec.seed,
        )

    def loss_of(self, name: str, night: int, spec: Any) -> float:
        """The loss of the weights of this name on the posts that are held out in a night."""
        from tasks.training.export import import_weights
        from tasks.training.post_losses import weights_name

        known_as = weights_name(self.engine.use(spec.precision), self.digests[name])
        import_weights(self.engine.model, self.folder / name)
        documents = self.engine.documents(self.corpus(night)[1], spec)
        return self.engine.known_loss(known_as, documents, self.losses)

    @property
    def compared(self) -> list[int]:
        """The nights in which a training from the base is measured as well."""
        return [self.asked.nights] if self.asked.compare is None else self.asked.compare


def nights(account: str, asked: argparse.Namespace) -> Iterator[Row]:
    """All trainings of one account."""
    from tasks.core.records import Spec
    from tasks.core.settings import Settings

    base_spec, tolerance = Spec(seed=asked.seed), Settings().gate_tolerance
    with tempfile.TemporaryDirectory() as temporary:
        bot = Bot(account, asked, Path(temporary))
        yield bot.train(0, "base 0", base_spec)
        for rate, epochs, tokens in product(asked.rates, asked.epochs, asked.tokens):
            recipe = f"{rate:g} × {epochs}, {tokens}"
            spec = replace(
                base_spec, learning_rate=rate, epochs=epochs, evaluations=1, batch_tokens=tokens
            )
            parent, since = "base 0", len(bot.corpus(0)[0])
            for night in range(1, asked.nights + 1):
                size = len(bot.corpus(night)[0])
                if asked.policy and (size - since) / since >= asked.policy:
                    since = size
                    yield (row := bot.train(night, f"{recipe}, anew in {night}", base_spec))
                    if row.held_out <= bot.loss_of(parent, night, spec) + tolerance:
                        parent = row.recipe
                        continue
                yield bot.train(night, recipe, spec, parent=parent, since=since)
                parent = recipe
        for night in bot.compared:
            yield bot.train(night, "base", base_spec)


def print_tables(rows: list[Row]) -> None:
    """By recipe, what became of the accounts where a training from the base was measured."""
    base = {(row.account, row.night, row.seed): row for row in rows if row.recipe == "base"}
    table = Table(title="Warm starts against trainings from the base (nats a token, processor s)")
    for column in (
        "account", "night", "posts", "new since base", "recipe", "loss", "base's", "difference",
        "train s", "base's s", "ratio", "repeats", "base's",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    differences: dict[str, list[float]] = {}
    for row in rows:
        other = base.get((row.account, row.night, row.seed))
        if other is None or row.recipe.startswith("base"):
            continue
        difference = row.held_out - other.held_out
        differences.setdefault(row.recipe, []).append(difference)
        table.add_row(
            row.account, str(row.night), str(row.posts), f"{row.since_base:.0%}", row.recipe,
            f"{row.held_out:.3f}", f"{other.held_out:.3f}", f"{difference:+.3f}",
            f"{row.processor:.1f}", f"{other.processor:.1f}",
            f"{other.processor / row.processor:.1f}",
            *("–" if each.repeats is None else f"{each.repeats:.0%}" for each in (row, other)),
        )  # fmt: skip
    console = Console(width=150)
    console.print(table)
    for recipe, found in differences.items():
        console.print(
            f"{recipe}: {mean(found):+.3f} in the mean, {max(found):+.3f} at worst, {len(found)} "
            "comparisons"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
