"""Remove an account everywhere: nothing of it is found afterwards, whatever interrupted it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.forget import forget
from flows.requests import BotRequest
from tasks.core.names import Handle
from tasks.core.records import Status
from tasks.core.settings import settings
from tasks.removal.account_removal import Plan, Receipt
from tasks.storage import Storage
from tasks.storage.opt_outs import opt_out
from tests.flows.running import run, use_hub
from tests.sample_posts import write_table
from tests.servers.hub import Fault, running_hub
from tests.tasks.removal.traces import traces

pytestmark = pytest.mark.usefixtures("prefect_server")


def test_a_forgotten_account_leaves_an_opt_out_and_a_receipt(
    tmp_path: Path, tiny_base: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {
        name: str(write_table(tmp_path / f"{name}.csv", posts=200, seed=seed))
        for seed, name in enumerate(("ursula", "vito"))
    }
    requests = [
        BotRequest(name="ursula", sources={"ursula": sources["ursula"]}),
        BotRequest(name="ursula-vito", sources=sources),
        BotRequest(name="vito", sources={"vito": sources["vito"]}),
    ]
    with running_hub() as hub:
        use_hub(hub, monkeypatch)
        _, outcomes = run(requests, tiny_base, push=True)
        assert {each.status for each in outcomes.values()} == {Status.RELEASED}
        kept = traces(storage, "vito")

        before = traces(storage, "ursula")
        plan = forget("@Ursula")
        assert isinstance(plan, Plan)
        assert plan.bots == ("ursula", "ursula-vito")
        assert traces(storage, "ursula") == before, "looking removes nothing"
        assert len(hub.repositories) == 3

        receipt = forget("ursula", confirmed=True)
        assert isinstance(receipt, Receipt)
        assert set(hub.repositories) == {"me/vito"}
        assert traces(storage, "ursula") == {"opt-outs/ursula.json", receipt.key}
        assert kept - traces(storage, "vito") == {
            path for path in kept if "ursula" in path or path in before
        }
        _, outcomes = run([*requests[:1], requests[2]], tiny_base, push=True)
        assert outcomes["ursula"].status is Status.FAILED
        assert "opted out" in outcomes["ursula"].reason
        assert outcomes["vito"].status is Status.UNCHANGED


class OptsOut(logging.Handler):
    """Notes that an account is not to be used at the moment when its training says that it runs."""

    def __init__(self, storage: Storage, handle: Handle) -> None:
        super().__init__()
        self.storage, self.account = storage, handle

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("training in"):
            opt_out(self.storage, self.account, datetime.now(UTC))


def test_what_is_forgotten_while_it_is_trained_leaves_nothing_trained(
    tmp_path: Path, tiny_base: Path, storage: Storage
) -> None:
    """As another machine's `forget` does it, which does not know of this training."""
    table = write_table(tmp_path / "xena.csv", posts=200)
    observer = OptsOut(storage, Handle("xena"))
    logging.getLogger("huggingtweets").addHandler(observer)
    try:
        _, outcomes = run([BotRequest(name="xena", sources={"xena": str(table)})], tiny_base)
    finally:
        logging.getLogger("huggingtweets").removeHandler(observer)
    assert outcomes["xena"].status is Status.FAILED
    assert "opted out" in outcomes["xena"].reason
    for folder in ("checkpoints", "resume", "releases"):
        assert not storage.files(folder), folder


def test_what_the_hub_interrupts_is_finished_by_the_next_call(
    table: Path, tiny_base: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = BotRequest(name="walter", sources={"walter": str(table)})
    with running_hub() as hub:
        use_hub(hub, monkeypatch)
        run([request], tiny_base, push=True)
        hub.faults["delete"] = [Fault(403)]
        state = forget("walter", confirmed=True, return_state=True)
        assert state.is_failed()
        assert "HUGGINGTWEETS_HUB_TOKEN" in state.message
        assert "forgetting/walter.json" in traces(storage, "walter")
        _, outcomes = run([request], tiny_base)
        assert "opted out" in outcomes["walter"].reason, "from the first moment on"
        receipt = forget("walter", confirmed=True)
        assert "me/walter" in {each.key for each in receipt.removed}
        assert traces(storage, "walter") == {"opt-outs/walter.json", receipt.key}


def test_without_a_token_the_hub_is_not_forgotten_silently(
    tiny_base: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, outcomes = run([BotRequest(name="yara")], tiny_base)
    assert outcomes["yara"].status is Status.FAILED, "nothing is stored; the outcome is"
    with running_hub() as hub:
        use_hub(hub, monkeypatch)
        monkeypatch.delenv("HUGGINGTWEETS_HUB_TOKEN")
        settings.cache_clear()
        state = forget("yara", confirmed=True, return_state=True)
        assert "HUGGINGTWEETS_HUB_TOKEN" in state.message
        use_hub(hub, monkeypatch)
        assert forget("yara", confirmed=True).bots == ("yara",), "it never was on the Hub"


def test_the_command_looks_first(command: Callable[..., tuple[int, str, str]], table: Path) -> None:
    command("import", table, "--handle", "zelda")
    code, out, _ = command("forget", "zelda")
    assert code == 0
    assert "posts/zelda" in out
    assert "--yes" in out
    code, out, _ = command("forget", "zelda", "--yes")
    assert code == 0
    assert "Receipt: receipts/zelda-" in out
    code, _, err = command("import", table, "--handle", "zelda")
    assert code == 1
    assert "opted out" in err


def test_every_later_retrain_and_sync_cleans_its_own_machine(
    command: Callable[..., tuple[int, str, str]],
    storage: Storage,
    tiny_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was forgotten on another machine, with which this one shares the storage."""
    monkeypatch.setenv("HUGGINGTWEETS_CACHE", str(tmp_path / "cache"))
    settings.cache_clear()
    left = storage.local("wandb/adele/train-1")
    left.mkdir(parents=True)
    command("sync")
    assert left.exists()
    opt_out(storage, Handle("adele"), datetime(2026, 1, 2, tzinfo=UTC))
    run([BotRequest(name="nobody_yet")], tiny_base)
    assert not left.exists()
    left.mkdir(parents=True)
    opt_out(storage, Handle("berta"), datetime(2026, 1, 2, tzinfo=UTC))
    command("sync")
    assert not left.exists()
