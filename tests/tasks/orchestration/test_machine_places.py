"""Places among processes, and what holds them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from tasks.core import interruption
from tasks.core.errors import Interrupted
from tasks.core.names import Bot
from tasks.core.settings import settings
from tasks.orchestration.limits import (
    bot_place,
    publishing_place,
    scraping_place,
    training_place,
)
from tasks.orchestration.machine_places import machine_place

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys, time
from pathlib import Path
from tasks.orchestration.machine_places import machine_place
with machine_place(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def held_elsewhere(folder: Path, name: str = "train") -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a place of this name."""
    command = [sys.executable, "-c", HOLDER, str(folder), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_place_is_free_again_when_its_holder_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with held_elsewhere(tmp_path) as holder:
        threading.Timer(0.7, holder.kill).start()
        begun = time.monotonic()
        with machine_place(tmp_path, "train"):
            assert 0.6 < time.monotonic() - begun < 5
        with machine_place(tmp_path, "train"):
            pass
    assert "waiting for train, which another process of this machine holds" in caplog.text


def test_there_are_as_many_as_asked_for_and_names_do_not_mix(tmp_path: Path) -> None:
    place = partial(machine_place, tmp_path)
    with place("a", 2), place("a", 2), place("b/c"):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.0", "a.1", "b-c.0"]
        third = threading.Thread(target=lambda: place("a", 2).__enter__(), daemon=True)
        third.start()
        third.join(timeout=0.2)
        assert third.is_alive(), "it waits"
    third.join(timeout=5)
    assert not third.is_alive()


def test_a_place_that_cannot_be_held_raises(tmp_path: Path) -> None:
    (tmp_path / "train.0").mkdir()
    with pytest.raises(IsADirectoryError), machine_place(tmp_path, "train"):
        pass


def test_without_a_server_places_are_held_on_the_machine(tmp_path: Path) -> None:
    with (
        temporary_settings({PREFECT_API_URL: None, PREFECT_HOME: tmp_path}),
        scraping_place("bluesky"),
        bot_place(Bot.parse("ada")),
        training_place(),
        publishing_place(2),
    ):
        names = {path.name for path in (tmp_path / "places").iterdir()}
    assert {"bluesky-accounts.0", "bot-ada.0", "hub-pushes.0"} < names
    assert len(names) == 4


@pytest.fixture
def use_settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def use(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"HUGGINGTWEETS_{name}", value)
        settings.cache_clear()

    return use


def test_a_machine_has_as_many_places_for_training_as_the_setting_says(
    tmp_path: Path, use_settings: Callable[..., None]
) -> None:
    use_settings(MACHINE="lab", TRAININGS="2")
    folder = tmp_path / "places"
    with (
        temporary_settings({PREFECT_API_URL: None, PREFECT_HOME: tmp_path}),
        held_elsewhere(folder, "train-on-lab"),
        training_place(),
    ):
        assert {path.name for path in folder.glob("train-*")} == {
            "train-on-lab.0",
            "train-on-lab.1",
        }


def test_a_process_trains_one_bot_at_a_time_whatever_the_setting_says(
    tmp_path: Path, use_settings: Callable[..., None]
) -> None:
    use_settings(TRAININGS="2")
    trained = []

    def train(name: str) -> None:
        with training_place():
            trained.append(name)

    with temporary_settings({PREFECT_API_URL: None, PREFECT_HOME: tmp_path}):
        with training_place():
            other = threading.Thread(target=copy_context().run, args=(train, "bob"), daemon=True)
            other.start()
            other.join(timeout=0.3)
            assert trained == []
        other.join(timeout=5)
    assert trained == ["bob"]


@pytest.mark.usefixtures("prefect_server")
def test_the_limit_on_the_server_follows_the_setting(use_settings: Callable[..., None]) -> None:
    for trainings in ("1", "3", "2"):
        use_settings(MACHINE="lab", TRAININGS=trainings)
        with training_place(), get_client(sync_client=True) as client:
            limit = client.read_global_concurrency_limit_by_name("train-on-lab")
        assert (limit.limit, limit.active_slots) == (int(trainings), 1)


def test_whoever_waits_for_a_place_can_be_stopped(tmp_path: Path) -> None:
    with machine_place(tmp_path, "train"):
        interruption.request_stop()
        with pytest.raises(Interrupted), machine_place(tmp_path, "train"):
            pass
