"""What one machine keeps beside an object store: runs and results, of which nothing stays."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.core.names import Handle
from tasks.core.settings import Settings
from tasks.ingest.scrape_state import load_stop, save_stop
from tasks.orchestration.machine_places import machine_place
from tasks.removal.account_removal import plan_removal, remove_account
from tasks.removal.inventory import Removal
from tasks.removal.this_machine import ThisMachine, results_of
from tasks.storage import Storage
from tasks.storage.opt_outs import opt_out
from tests.tasks.tracking.tracked import track, training

MACHINE = "lab-1"
ALICE, NOW = Handle("alice"), datetime(2026, 1, 2, tzinfo=UTC)


class Machine:
    """A machine of its own: its cache, and the folder of Prefect's results."""

    def __init__(self, storage: Storage, folder: Path) -> None:
        self.runs, self.results = folder / "cache" / "wandb", folder / "results"
        self.settings = Settings(cache=folder / "cache", machine=MACHINE)
        self.results.mkdir(parents=True)
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.places = folder / "places"
        self.here = ThisMachine(
            storage, self.settings, self.results, self.places, temporary=self.temporary
        )

    def work(self, *bots: str) -> None:
        """Leave what a retrain of these bots leaves."""
        for bot in bots:
            track(self.runs, training(bot))
            self.keep(f"outcome-of-{bot}", {"__class__": "tasks.records.Outcome", "bot": bot})
            evaluation = {"__class__": "tasks.records.Evaluation", "loss": 3.0}
            self.keep(f"evaluate-{bot}-0123", evaluation)

    def keep(self, name: str, result: Any) -> None:
        record = {"metadata": {"storage_key": name}, "result": json.dumps(result)}
        (self.results / name).write_text(json.dumps(record))

    def names(self) -> set[str]:
        """All that is here, by the names of bots."""
        names = [path.name.removesuffix("-0123") for path in self.results.iterdir()]
        kept = {name.rpartition("-of-")[2].removeprefix("evaluate-") for name in names}
        return kept | {path.name for path in self.runs.iterdir()}


@pytest.fixture
def machine(bucket: Storage, tmp_path: Path) -> Machine:
    return Machine(bucket, tmp_path / "one")


def test_runs_and_results_in_the_cache_go_and_the_receipt_says_what_is_left(
    bucket: Storage, machine: Machine
) -> None:
    machine.work("alice", "alice-bob", "bob")
    plan = plan_removal(bucket, ALICE, machine.settings, [machine.here])
    assert {str(each) for each in plan.kept} == {
        f"{name} on {MACHINE}" for name in ("wandb/alice", "wandb/alice-bob", "results of Prefect")
    }
    assert all(each.files and each.bytes for each in plan.kept)
    assert machine.names() == {"alice", "alice-bob", "bob"}, "looking removes nothing"

    receipt = remove_account(bucket, ALICE, machine.settings, NOW, [machine.here])
    assert machine.names() == {"bob"}
    assert set(plan.kept) <= set(receipt.removed)
    assert any("other machines may have" in sentence for sentence in receipt.left)
    assert bucket.read_json(receipt.key)["left"] == list(receipt.left)
    again = remove_account(bucket, ALICE, machine.settings, NOW, [machine.here])
    assert again.removed == ()


def test_what_an_interrupted_call_had_planned_is_in_the_receipt_of_the_next(
    bucket: Storage, machine: Machine
) -> None:
    machine.work("alice")

    class Full:
        def find(self, _handle: Handle) -> tuple[Removal, ...]:
            return (Removal("somewhere"), Removal("theirs", machine="another machine"))

        def remove(self, _handle: Handle) -> tuple[str, ...]:
            raise OSError("the power went")

    with pytest.raises(OSError, match="power"):
        remove_account(bucket, ALICE, machine.settings, NOW, [machine.here, Full()])
    assert machine.names() == set(), "the first holder was done"
    receipt = remove_account(bucket, ALICE, machine.settings, NOW, [machine.here])
    removed = {str(each) for each in receipt.removed}
    assert {f"wandb/alice on {MACHINE}", "somewhere"} <= removed
    assert not any("another machine" in each for each in removed), "only that machine can report it"
    assert bucket.files("forgetting") == {}


def test_every_other_machine_cleans_itself_with_its_next_run(
    bucket: Storage, machine: Machine, tmp_path: Path
) -> None:
    other = Machine(bucket, tmp_path / "two")
    for each in (machine, other):
        each.work("alice", "bob", "carol")
    remove_account(bucket, ALICE, machine.settings, NOW, [machine.here])
    assert other.names() == {"alice", "bob", "carol"}
    other.here.remove_opted_out()
    assert other.names() == {"bob", "carol"}
    opt_out(bucket, Handle("carol"), NOW)
    other.here.remove_opted_out()
    assert other.names() == {"bob"}


def test_a_list_that_has_not_changed_is_not_searched_for_again(
    bucket: Storage, machine: Machine
) -> None:
    opt_out(bucket, ALICE, NOW)
    machine.here.remove_opted_out()
    machine.work("alice")
    machine.here.remove_opted_out()
    assert machine.names() == {"alice"}
    ThisMachine(bucket, machine.settings, None, temporary=machine.temporary).remove_opted_out()
    assert machine.names() == {"alice"}, "of the results; the runs are gone"
    assert list(machine.runs.iterdir()) == []


def test_nobody_opted_out_nothing_is_written(bucket: Storage, machine: Machine) -> None:
    machine.here.remove_opted_out()
    assert not machine.settings.cache.exists()


def test_results_in_a_block_are_reported_as_left(bucket: Storage, machine: Machine) -> None:
    here = ThisMachine(bucket, machine.settings, None, temporary=machine.temporary)
    receipt = remove_account(bucket, ALICE, machine.settings, NOW, [here])
    assert any("PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK" in sentence for sentence in receipt.left)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80pickled alice",
        b"{}",
        b'["alice"]',
        b'{"result": 3, "of": "alice"}',
        json.dumps({"result": '{"bot": "alice"}'}).encode(),  # another project's
        json.dumps({"result": '{"__class__": "tasks.records.Outcome", "bot": "bob", "of": '
                              '"I like @alice"}'}).encode(),
    ],
)  # fmt: skip
def test_results_of_others_stay(machine: Machine, content: bytes) -> None:
    (machine.results / "file").write_bytes(content)
    (machine.results / "alice").mkdir()
    assert results_of(machine.results, [ALICE]) == []
    assert results_of(machine.results / "nowhere", [ALICE]) == []


def test_a_failure_is_a_result_too(machine: Machine) -> None:
    machine.keep("f00d", {"__exc_type__": "tasks.errors.BadInput", "message": "@alice: no posts"})
    assert len(results_of(machine.results, [ALICE])) == 1


def test_in_a_local_storage_runs_are_the_storages(tmp_path: Path, storage: Storage) -> None:
    settings = Settings(cache=tmp_path / "cache")
    here = ThisMachine(storage, settings, tmp_path / "results", temporary=tmp_path / "temporary")
    track(storage.local("wandb"), training("alice"))
    (removal,) = here.find(ALICE)
    assert str(removal) == "wandb/alice"
    assert here.remove(ALICE) == ()
    assert storage.files("wandb") == {}


def test_locks_of_bots_go_unless_they_are_held(bucket: Storage, machine: Machine) -> None:
    for bot in ("alice", "alice-bob", "bob", "malice"):
        with machine_place(machine.places, f"bot-{bot}"):
            pass
    with machine_place(machine.places, "bot-alice-bob"):
        receipt = remove_account(bucket, ALICE, machine.settings, NOW, [machine.here])
    left = {path.name for path in machine.places.iterdir()}
    assert left == {"bot-alice-bob.0", "bot-bob.0", "bot-malice.0"}
    assert {each.key: each.files for each in receipt.removed} == {"locks of bots": 2}
    remove_account(bucket, ALICE, machine.settings, NOW, [machine.here])
    assert {path.name for path in machine.places.iterdir()} == {"bot-bob.0", "bot-malice.0"}


def test_sweeps_lose_the_column_of_the_account(bucket: Storage, machine: Machine) -> None:
    row = {"epochs": 1, "held-out loss": 3.0}
    bucket.write_json("sweeps/fox.json", [{**row, "@alice-bob": 3.0, "@bob": 3.0}])
    bucket.write_json("sweeps/owl.json", [{**row, "@malice": 3.0, "alice": 1}])
    remove_account(bucket, ALICE, machine.settings, NOW)
    assert bucket.read_json("sweeps/fox.json") == [{**row, "@bob": 3.0}]
    assert bucket.read_json("sweeps/owl.json") == [{**row, "@malice": 3.0, "alice": 1}]


def test_why_a_source_stopped_names_it_no_more(bucket: Storage, machine: Machine) -> None:
    save_stop(bucket, "night", "x_api", "@alice: X asks for a payment", NOW)
    save_stop(bucket, "day", "x_api", "@malice: X asks for a payment", NOW)
    remove_account(bucket, ALICE, machine.settings, NOW)
    assert load_stop(bucket, "night", "x_api") == "@…: X asks for a payment"
    assert load_stop(bucket, "day", "x_api") == "@malice: X asks for a payment"


def test_what_w_and_b_was_sent_is_reported_to_stay(bucket: Storage, tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path, wandb_api_key="k" * 40, wandb_entity="team")
    receipt = remove_account(bucket, ALICE, settings, NOW)
    (sentence,) = receipt.left
    assert "team/huggingtweets" in sentence


def test_trouble_with_the_cache_does_not_stop_a_run(
    tmp_path: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    from tasks.forget import remove_opted_out_here

    (tmp_path / "cache").write_text("a file, not a folder")
    monkeypatch.setenv("HUGGINGTWEETS_CACHE", str(tmp_path / "cache"))
    opt_out(storage, ALICE, NOW)
    logger = logging.getLogger("huggingtweets")
    logger.addHandler(caplog.handler)  # Prefect, where it is set up, keeps our lines from the root
    remove_opted_out_here()
    logger.removeHandler(caplog.handler)
    assert "data of removed accounts is still on this machine" in caplog.text
