"""Places among processes, and what holds them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from tasks.core.names import Bot
from tasks.orchestration.limits import publishing_place, scraping, training_place
from tasks.orchestration.machine_places import place

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys, time
from pathlib import Path
from tasks.orchestration.machine_places import place
with place(Path(sys.argv[1]), "train"):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def held_elsewhere(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the place `train`."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
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
        with place(tmp_path, "train"):
            assert 0.6 < time.monotonic() - begun < 5
        with place(tmp_path, "train"):
            pass
    assert "waiting for train, which another process of this machine holds" in caplog.text


def test_there_are_as_many_as_asked_for_and_names_do_not_mix(tmp_path: Path) -> None:
    with place(tmp_path, "a", 2), place(tmp_path, "a", 2), place(tmp_path, "b/c"):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.0", "a.1", "b-c.0"]
        third = threading.Thread(target=lambda: place(tmp_path, "a", 2).__enter__(), daemon=True)
        third.start()
        third.join(timeout=0.2)
        assert third.is_alive(), "it waits"
    third.join(timeout=5)
    assert not third.is_alive()


def test_a_place_that_cannot_be_held_is_told(tmp_path: Path) -> None:
    (tmp_path / "train.0").mkdir()
    with pytest.raises(IsADirectoryError), place(tmp_path, "train"):
        pass


def test_a_command_without_a_server_needs_none_to_hold_places(tmp_path: Path) -> None:
    with (
        temporary_settings({PREFECT_API_URL: None, PREFECT_HOME: tmp_path}),
        scraping("bluesky"),
        training_place(Bot.parse("ada")),
        publishing_place(2),
    ):
        names = {path.name for path in (tmp_path / "places").iterdir()}
    assert {"bluesky-accounts.0", "bot-ada.0", "hub-pushes.0"} < names
    assert len(names) == 4
