"""Bots with nothing new are found from files alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.core.names import Bot
from tasks.core.records import Outcome, Spec, Status
from tasks.ingest.imported_files import save_import
from tasks.operations.retrain_record import INPUTS, Inputs
from tasks.operations.unchanged_bots import unchanged_bot
from tasks.publishing.releases import publish_locally
from tasks.registry.outcomes import load_outcome, save_outcome
from tasks.sources.file_sources import file_digest
from tasks.storage import Storage
from tasks.training.bases.base_models import resolve_base
from tests.sample_posts import write_table
from tests.tasks.publishing.examples import CHECKPOINT, MODEL, make_contents

ALICE = Bot.parse("alice")


@pytest.fixture
def base(tmp_path: Path) -> str:
    """The folder of a base, with files of which none is real."""
    folder = tmp_path / "base"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes(MODEL[name])
    return str(folder)


@pytest.fixture
def table(tmp_path: Path, storage: Storage, base: str, command: Callable[..., Any]) -> Path:
    """The table that @alice's posts and her release come from."""
    table = write_table(tmp_path / "a.csv", posts=20)
    command("import", table, "--handle", "alice", "--quiet")
    save_import(storage, ALICE.handles[0], file_digest(table), 20)
    with storage.new_folder(CHECKPOINT) as folder:
        for name, data in (*MODEL.items(), ("manifest.json", b"{}")):
            (folder / name).write_bytes(data)
    release = publish_locally(storage, CHECKPOINT, make_contents(), fonts=())
    inputs = Inputs(ALICE, "modern", (), resolve_base(base, Path("cache")), Spec())
    details = {INPUTS: inputs.digest({"alice": file_digest(table)})}
    save_outcome(
        storage, Outcome("alice", Status.RELEASED, "fine", "2026-01-02", release, details=details)
    )
    return table


def ask(base: str, sources: dict[str, str], **changes: Any) -> Outcome | None:
    usual: dict[str, Any] = {
        "filter_name": "modern", "languages": (), "base_id": base, "spec": Spec(), "push": False,
    }  # fmt: skip
    return unchanged_bot(ALICE, sources, **{**usual, **changes})


def test_a_bot_with_nothing_new_is_unchanged_and_recorded(
    table: Path, storage: Storage, base: str
) -> None:
    found = ask(base, {"alice": str(table)})
    assert found is not None
    assert found.status is Status.UNCHANGED
    assert load_outcome(storage, ALICE) == found


def test_anything_new_is_left_to_the_bots_own_retrain(
    table: Path, storage: Storage, base: str, tmp_path: Path
) -> None:
    sources = {"alice": str(table)}
    assert ask(base, {"alice": "bluesky"}) is None, "a service has to be asked"
    assert ask(base, {}) is None, "its source is another one"
    assert ask(base, sources, spec=Spec(seed=1)) is None
    assert ask(base, sources, filter_name="classic") is None
    assert ask(base, sources, push=True) is None, "the Hub does not have it"
    assert ask(str(tmp_path / "gone"), sources) is None
    with table.open("a") as more:
        more.write("99,2026-05-01T00:00:00+00:00,one more post by my cat\n")
    assert ask(base, sources) is None
    before = load_outcome(storage, ALICE)
    assert before is not None
    save_outcome(storage, replace(before, details={}))
    assert ask(base, sources) is None
