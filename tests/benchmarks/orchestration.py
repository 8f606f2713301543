"""What orchestration costs a bot: everything but scraping, training and uploading.

    python -m tests.benchmarks.orchestration [BOTS]

The same bots are retrained twice: through the `retrain` flow against the server that `huggingtweets
serve` starts, and by the rooms' plain functions in a row. The difference is the cost. Then all are
retrained again, with nothing new; and a night selects 10 due bots of 1,000. Exits 1 where a target
is missed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deployments.server.prefect_settings import PREFECT_SETTINGS

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in the tests: tiny models gain nothing by more
SPEC = {"epochs": 1, "precision": "fp32"}
TARGETS = {"changed": 0.5, "unchanged": 0.05, "selection": 5.0}


def main(words: list[str]) -> int:
    """Measure and print; 0 where every target is met."""
    number = int(words[0]) if words else 12
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ |= {
            **PREFECT_SETTINGS,
            "HUGGINGTWEETS_STORAGE": str(folder / "storage"),
            "HUGGINGTWEETS_TRACKING": "false",
            "HUGGINGTWEETS_GATE_REPEATS": "1",
            "PREFECT_LOGGING_LEVEL": "CRITICAL",
            "PREFECT_LOGGING_TO_API_ENABLED": "false",
        }
        os.chdir(folder)
        from prefect.settings import PREFECT_API_URL, temporary_settings

        from tests.servers.prefect_site import running_site
        from tests.tiny import make_tiny_base

        base = make_tiny_base(folder / "base")
        tables = _tables(folder, number)
        plain = _timed(lambda: _plainly(folder, tables, base.folder))
        with (
            running_site(folder / "site") as site,
            temporary_settings({PREFECT_API_URL: site.url}),
        ):
            _through_the_flow(dict(list(tables.items())[:1]), base.folder, name="warm")
            flow = _timed(lambda: _through_the_flow(tables, base.folder))
            again = _timed(lambda: _through_the_flow(tables, base.folder))
        selection = _select(folder)
    found = {
        "changed": (flow - plain) / number,
        "unchanged": again / number,
        "selection": selection,
    }
    _print(number, plain, flow, found)
    return int(any(found[name] > target for name, target in TARGETS.items()))


def _tables(folder: Path, number: int) -> dict[str, Path]:
    from tests.sample_posts import write_table

    return {
        f"bot{n}": write_table(folder / f"bot{n}.csv", posts=200, seed=n) for n in range(number)
    }


def _timed(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def _through_the_flow(tables: dict[str, Path], base: str, name: str = "") -> None:
    from flows.requests import BotRequest, RetrainOptions
    from flows.retrain import retrain
    from tasks.core.records import Spec

    requests = [
        BotRequest(name=f"{name}{bot}", sources={f"{name}{bot}": str(path)})
        for bot, path in tables.items()
    ]

    async def story() -> None:
        await retrain(requests, RetrainOptions(base=base, training=Spec(**SPEC)))

    asyncio.run(story())


def _plainly(folder: Path, tables: dict[str, Path], base_folder: str) -> None:
    """The rooms' own work for the same bots, in a storage of its own, with no Prefect."""
    from tasks.core.names import Bot, Handle
    from tasks.core.records import Profile, Spec, TrackedRun
    from tasks.curation.corpus import build_corpus
    from tasks.curation.corpus_files import read_corpus, write_corpus
    from tasks.evaluation.measuring import evaluate_bot
    from tasks.lake.posts import append, read
    from tasks.publishing.release_contents import ReleaseContents
    from tasks.publishing.releases import publish_locally, revision_of
    from tasks.sources.file_sources import open_file_source
    from tasks.storage import open_storage
    from tasks.training.bases.base_models import resolve_base
    from tasks.training.checkpoint import train_checkpoint

    storage, spec = open_storage(str(folder / "plain")), Spec(**SPEC)
    base = resolve_base(base_folder, folder)
    for name, path in tables.items():
        handle, bot, now = Handle(name), Bot.parse(name), datetime.now(UTC)
        append(storage, handle, open_file_source(path, handle).batches(None), scraped_at=now)
        posts = {handle: read(storage, handle)}
        curated = build_corpus(bot, posts, filter_name="modern", floor=0, warn_below=0)
        corpus = write_corpus(storage, curated, bot, "modern")
        texts = read_corpus(storage, corpus)
        uri = f"checkpoints/{name}"
        with storage.new_folder(uri) as checkpoint_folder:
            checkpoint = train_checkpoint(
                texts.train, texts.held_out, texts.train_handles, base, spec, checkpoint_folder,
                fingerprint=name * 8, uri=uri, on_progress=lambda _: None,
            )  # fmt: skip
        evaluation = evaluate_bot(
            base, storage.local(uri), texts.train, texts.held_out, spec, seed=0
        )
        context = ReleaseContents(
            bot=bot, revision=revision_of(now, "0123456789abcdef"), created_at=now, corpus=corpus,
            base=base, checkpoint=checkpoint, evaluation=evaluation,
            profiles=(Profile(handle, name),), spec=spec, tracked=TrackedRun(), namespace=None,
            project_url=None,
        )  # fmt: skip
        publish_locally(storage, uri, context)


def _select(folder: Path) -> float:
    """The seconds of a night's selection among 1,000 bots, 10 of them due."""
    from tasks.core.names import Bot
    from tasks.operations.night_plan import select
    from tasks.registry.due import NightBudget
    from tasks.registry.entries import load_registry
    from tasks.registry.state import BotState, save_state
    from tasks.storage import open_storage

    storage, now = open_storage(str(folder / "many")), datetime.now(UTC)
    path = folder / "many.yaml"
    bots = [f"  - {{handles: [many{n}], source: x_api}}" for n in range(1000)]
    path.write_text("\n".join(["defaults: {cadence: 1d}", "bots:", *bots]))
    fresh = BotState(last_success=now - timedelta(hours=1), posts=100)
    for n in range(1000):
        late = timedelta(days=2 * (n % 100 == 0))
        save_state(storage, Bot.parse(f"many{n}"), replace(fresh, last_success=now - late))
    begun = time.monotonic()
    selection = select(storage, load_registry(path), NightBudget(), now)
    seconds = time.monotonic() - begun
    if len(selection.chosen) != 10:
        raise AssertionError(f"{len(selection.chosen)} bots were chosen")
    return seconds


def _print(number: int, plain: float, flow: float, found: dict[str, float]) -> None:
    table = Table(title=f"Orchestration, {number} bots", title_justify="left")
    for column in ("what", "seconds", "target", "met"):
        table.add_column(column, justify="right" if column in ("seconds", "target") else "left")
    what = {
        "changed": f"a bot with work: ({flow:.1f} s by the flow - {plain:.1f} s plain) / bots",
        "unchanged": "a bot with nothing new",
        "selection": "selecting 10 due of 1,000 registered",
    }
    for name, target in TARGETS.items():
        met = "yes" if found[name] <= target else "no"
        table.add_row(what[name], f"{found[name]:.3f}", f"{target:g}", met)
    Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
