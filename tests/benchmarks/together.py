"""Bots trained at once against the same bots one after another, in one process.

    python -m tests.benchmarks.together [--posts N] [--at-once K …] [--modes M …] [--base FOLDER] …

Each number of bots is trained in both ways, as adapters and with all weights, the ways taking turns
so that both meet the same load. Alone, an adapter is a group of one, and all weights are trained by
the engine's own `train`. Columns: tokens a second and bots an hour of the whole, evaluations
included; how many times as fast at once is; and the largest difference in held-out loss.
Texts: made-up ones, or parts of real accounts with `--texts FILE`, as
`tests.benchmarks.training` writes it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tests.benchmarks.accounts import read_texts
from tests.benchmarks.measured import peak_gib, wait_for_gpu
from tests.benchmarks.training import machine
from tests.sample_posts import sentences

if TYPE_CHECKING:
    from tasks.core.records import Spec
    from tasks.training.engine import Engine
    from tasks.training.together import BotTexts, TrainedBot

HELD_OUT = 8  # of each bot's posts one in so many


@dataclass
class Compared:
    """Some bots in both ways: seconds of all, tokens of all, the largest difference in loss.

    peak: GiB of the GPU, or of the process so far, at once. mfu: of the steps at once.
    """

    mode: str
    bots: int
    together: float
    alone: float
    tokens: int
    difference: float
    peak: float
    mfu: float | None

    @property
    def gain(self) -> float:
        """How many times as fast at once is."""
        return self.alone / self.together


def main(words: list[str]) -> int:
    """Measure, print the table, and write the figures if asked; 0 in any case."""
    asked = _arguments(words)
    from tasks.core.records import Base
    from tasks.training.engine import Engine
    from tests.benchmarks.training import base_folder

    with tempfile.TemporaryDirectory() as temporary:
        folder = base_folder(asked, Path(temporary))
        engine = Engine(Base(folder, folder, "benchmark", "the benchmark's"))
        bots = parts(_texts(asked), max(asked.at_once), asked.posts)
        found = list(measure(engine, bots, asked))
    _print(found)
    if asked.json:
        figures = {"machine": machine(), "rows": [asdict(row) for row in found]}
        Path(asked.json).write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.together")
    add = parser.add_argument
    add("--posts", type=int, default=60, help="of each bot, held-out ones included")
    add("--at-once", type=int, nargs="+", default=[1, 2, 4, 8], help="numbers of bots")
    add("--modes", nargs="+", default=["adapter", "full"], choices=["adapter", "full"])
    add("--epochs", type=int, default=1)
    add("--evaluations", type=int, default=1, help="an epoch")
    add("--rank", type=int, default=64, help="of the adapters")
    add("--base", help="folder of the base (default: the embedded one)")
    add("--texts", help="file of texts, as tests.benchmarks.training --write-texts writes it")
    add("--json", help="write the figures to this file")
    add("--tiny", action="store_true", help="a base of a few thousand random weights, for a test")
    return parser.parse_args(words)


def _texts(asked: argparse.Namespace) -> list[str]:
    if asked.texts:
        return [text for account in read_texts(Path(asked.texts)) for text in account.train]
    return sentences(asked.posts * max(asked.at_once))


def parts(texts: Sequence[str], number: int, posts: int) -> list[BotTexts]:
    """So many bots of so many posts, each of its own texts; they begin anew when they run out."""
    from tasks.training.together import BotTexts

    bots = []
    for start in range(number):
        own = [texts[(start * posts + n) % len(texts)] for n in range(posts)]
        few = max(1, posts // HELD_OUT)
        bots.append(BotTexts(f"bot{start}", own[few:], own[:few]))
    return bots


def measure(
    engine: Engine, bots: Sequence[BotTexts], asked: argparse.Namespace
) -> Iterable[Compared]:
    """All comparisons, each told when it is done."""
    from tasks.core.records import Spec

    for mode in asked.modes:
        spec = Spec(
            mode=mode,
            epochs=asked.epochs,
            evaluations=asked.evaluations,
            adapter_rank=asked.rank,
        )
        _timed(engine, bots[:1], spec, 1)  # so that all is warm
        for number in asked.at_once:
            row = compare(engine, bots[:number], spec)
            told = f"  {mode}, {number} bots: {row.together:.1f} s, {row.alone:.1f} s alone"
            print(told, file=sys.stderr, flush=True)
            yield row


def compare(engine: Engine, bots: Sequence[BotTexts], spec: Spec) -> Compared:
    """The same bots in both ways."""
    together, seconds = _timed(engine, bots, spec, len(bots))
    peak = peak_gib()
    alone, seconds_alone = _timed(engine, bots, spec, 1)
    differences = [
        abs(one.trained.held_out_loss - other.trained.held_out_loss)
        for one, other in zip(together, alone, strict=True)
    ]
    shares = [bot.trained.mfu for bot in together if bot.trained.mfu is not None]
    return Compared(
        mode=spec.mode,
        bots=len(bots),
        together=seconds,
        alone=seconds_alone,
        tokens=sum(bot.trained.tokens for bot in together),
        difference=max(differences),
        peak=peak,
        mfu=sum(shares) / len(shares) if shares else None,
    )


def _timed(
    engine: Engine, bots: Sequence[BotTexts], spec: Spec, at_once: int
) -> tuple[list[TrainedBot], float]:
    from tasks.training.together import train_together

    for bot in bots:
        engine.base_loss(bot.held_out, spec)  # is known from then on, in both ways
    wait_for_gpu()
    begun = time.perf_counter()
    trained = train_together(engine, bots, spec, at_once=at_once)
    wait_for_gpu()
    return trained, time.perf_counter() - begun


def _print(rows: Sequence[Compared]) -> None:
    table = Table(title=f"Bots at once against one after another; {machine()}")
    columns = ("mode", "bots", "at once, s", "one by one, s", "tokens/s", "one by one")
    more = ("bots an hour", "one by one", "times as fast", "loss differs by", "peak GiB", "MFU")
    for column in (*columns, *more):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row.mode,
            str(row.bots),
            f"{row.together:.1f}",
            f"{row.alone:.1f}",
            f"{row.tokens / row.together:,.0f}",
            f"{row.tokens / row.alone:,.0f}",
            f"{3600 * row.bots / row.together:,.0f}",
            f"{3600 * row.bots / row.alone:,.0f}",
            f"{row.gain:.2f}",
            f"{row.difference:.4f}",
            f"{row.peak:.1f}",
            f"{row.mfu:.0%}" if row.mfu is not None else "–",
        )
    Console(width=170).print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
