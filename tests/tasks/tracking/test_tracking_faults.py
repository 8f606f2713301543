"""Whatever the service does, both runs are recorded, in a bounded time, and sent once it can be."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from flows.requests import BotRequest
from tasks.core.records import Status
from tasks.core.settings import Settings, settings
from tasks.tracking.offline_runs import send_offline_runs
from tasks.tracking.service_outage import Outage
from tasks.tracking.wandb_environment import Timeouts
from tests.fault_tables import FaultTable
from tests.flows.running import run
from tests.servers.wandb import KEY, Fault, running_wandb
from tests.servers.wandb_state import State
from tests.tasks.tracking.tracked import online, track, training

Script = Callable[[str], Fault | None]


def at(step: str, fault: Fault, *, nth: int = 1) -> Script:
    """Strikes this step from its nth time on."""
    seen = count(1)
    return lambda asked: fault if asked == step and next(seen) >= nth else None


def every(fault: Fault) -> Script:
    return lambda _: fault


HANGS, FAILS, DIES = Fault(0), Fault(503), Fault(dies=True)


class Case(NamedTuple):
    """What the service does, in words and as the server's script."""

    fault: str
    injected: str
    script: Script


CASES = [
    Case("refuses all connections", "no server listens", lambda _: None),
    Case("does not know the key", "every step: answers 401", every(Fault(401))),
    Case("hangs from the start", "every step: no answer", every(HANGS)),
    Case("is broken from the start", "every step: answers 503", every(FAILS)),
    Case("hangs at an artifact", "CommitArtifact: no answer", at("CommitArtifact", HANGS)),
    Case("takes no upload", "upload: answers 503", at("upload", FAILS)),
    Case("takes no curves", "stream: answers 400", at("stream", Fault(400))),
    Case("hangs at the curves", "stream: no answer", at("stream", HANGS)),
    Case("dies as the first run begins", "UpsertBucket: dies", at("UpsertBucket", DIES)),
    Case("dies in the first run", "CreateArtifact: dies", at("CreateArtifact", DIES)),
    Case("dies in the second run", "4th CommitArtifact: dies", at("CommitArtifact", DIES, nth=4)),
]


@pytest.fixture(scope="module")
def fault_table() -> Iterator[FaultTable]:
    columns = ("W&B", "injected", "the retrain", "recorded", "seconds", "after `sync`")
    table = FaultTable("Faults of Weights & Biases", columns)
    yield table
    table.show()


def recorded_though(state: State, case: Case, bot: str, folder: Path) -> tuple[str, float]:
    """Track a bot while the fault strikes; says where its two runs are, and after how long."""
    timeouts, name = Timeouts(step=1.5, finish=0.5, total=3), case.fault
    with running_wandb(state) as server:
        if name.startswith("refuses"):
            server.die()
        server.fault = case.script
        begun = time.monotonic()
        tracked = track(folder, training(bot), timeouts=timeouts, **online(server))
        seconds = time.monotonic() - begun
    kept = [path.name.partition("-")[0] for path in sorted((folder / bot).glob("*-*"))]
    there = sum(url is not None for url in (tracked.url, tracked.preprocess_url))
    assert Path(tracked.folder).is_dir(), name
    assert kept in (["preprocess", "train"], ["train"]), name
    # The last step, its finish, and two questions of wandb's own client come on top.
    assert seconds < timeouts.total + timeouts.step + timeouts.finish + 2 * 6 + 2, name
    return f"{there} of 2 runs online, {len(kept)} wait for sync", seconds


def test_whatever_the_service_does_both_runs_arrive_in_the_end(tmp_path, caplog, fault_table):
    state, bots = State(), [f"bot{number}" for number in range(len(CASES))]
    with caplog.at_level(logging.WARNING, "huggingtweets"):
        came = [
            recorded_though(state, case, bot, tmp_path)
            for case, bot in zip(CASES, bots, strict=True)
        ]
    warned = [each for each in caplog.records if each.name == "huggingtweets"]
    assert {bot for bot in bots if any(f"@{bot}:" in each.getMessage() for each in warned)} == {
        *bots
    }
    assert KEY not in caplog.text
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in files)
    with running_wandb(state) as server:
        sent = send_offline_runs(tmp_path, Settings(**online(server)))
    assert [each.trouble for each in sent] == [None] * len(sent)
    lineage = state.lineage()
    trained = {f"@{bot}-train": ([f"dataset-{bot}", "gpt2"], [bot]) for bot in bots}
    assert trained.items() <= lineage.items()
    for case, bot, (recorded, seconds) in zip(CASES, bots, came, strict=True):
        arrived = sum(f"@{bot}-{job}" in lineage for job in ("preprocess", "train"))
        end = f"{arrived} of 2 runs online, with lineage"
        row = (case.fault, case.injected, "goes on", recorded, f"{seconds:.1f}", end)
        fault_table.add(*row)


def test_the_next_bot_does_not_wait_for_a_service_that_hung(tmp_path):
    now = [0.0]
    outage = Outage(seconds=100, clock=lambda: now[0])
    with running_wandb() as server:
        server.fault = every(HANGS)
        timeouts = Timeouts(step=4, finish=1, total=4)
        track(tmp_path, outage=outage, timeouts=timeouts, **online(server))
        asked = len(server.steps)
        begun = time.monotonic()
        track(tmp_path, outage=outage, timeouts=timeouts, **online(server))
        assert time.monotonic() - begun < 2
        assert len(server.steps) == asked
        server.fault = lambda _: None
        now[0] = 101
        assert track(tmp_path, outage=outage, **online(server)).url


def test_without_any_patience_nothing_is_begun(tmp_path):
    with running_wandb() as server:
        assert track(tmp_path, timeouts=Timeouts(total=0), **online(server)).url is None
        assert server.steps == []


@pytest.mark.slow
def test_the_release_appears_though_the_server_is_killed_in_the_middle(
    prefect_server, tiny_base, table, monkeypatch, fault_table
):
    """With the timeouts that operators get; the limit is that of a minute, training included."""
    with running_wandb() as server:
        server.fault = at("CommitArtifact", DIES, nth=3)
        monkeypatch.setenv("HUGGINGTWEETS_WANDB_URL", server.url)
        monkeypatch.setenv("HUGGINGTWEETS_WANDB_API_KEY", KEY)
        settings.cache_clear()
        begun = time.monotonic()
        _, outcomes = run([BotRequest(name="peggy", sources={"peggy": str(table)})], tiny_base)
        seconds = time.monotonic() - begun
    assert outcomes["peggy"].status is Status.RELEASED
    assert list(server.state.lineage()) == ["@peggy-preprocess", "@peggy-train"]
    assert seconds < 60
    row = ("dies in a whole retrain", "3rd CommitArtifact: dies", "released")
    fault_table.add(*row, "-", f"{seconds:.1f} with training", "-")
