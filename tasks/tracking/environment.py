"""Keeps wandb quiet, bounded in time, and inside a folder of ours."""

from __future__ import annotations

import atexit
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core.settings import Settings
from tasks.storage import Storage
from tasks.storage.drafts import spill_folder

if TYPE_CHECKING:
    import wandb

FOLDER = "wandb"
_LOCK = ".writing"
# wandb reads these places from the environment only. Without them it writes to the home folder.
_PLACES = {
    "WANDB_DIR": "",
    "WANDB_DATA_DIR": "data",
    "WANDB_ARTIFACT_DIR": "artifacts",
    "WANDB_CONFIG_DIR": "config",
}
# The limit (seconds) is that of wandb's own client, which asks the service before an artifact is
# logged. Reports of errors would go to others.
_MANNERS = {
    "WANDB_HTTP_TIMEOUT": "6", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"
}  # fmt: skip
_environment = threading.RLock()


@dataclass(frozen=True)
class Patience:
    """How long a service that does not answer is waited for, in seconds.

    step: for one thing to begin or to arrive; finish: for a run's end; whole: after this long
    nothing more is begun. Together with the last step and its finish a bot loses less than a
    minute; measured against a server that dies and one that hangs, see `tests/tasks/tracking`.
    """

    step: float = 12
    finish: float = 10
    whole: float = 30


def tracking_folder(storage: Storage, settings: Settings) -> Path:
    """Where runs lie on this machine, each bot's below its name.

    wandb writes to a disk only, so beside an object store it is the cache.
    """
    return storage.local(FOLDER) if storage.is_local else settings.cache / FOLDER


@contextmanager
def own_folders(folder: Path) -> Iterator[None]:
    """Let wandb write below `folder` only; one block at a time, for the environment is shared."""
    ours = environment_below(folder)
    with _environment, _writing(folder):
        for place in _PLACES.values():
            (folder / place).mkdir(parents=True, exist_ok=True)
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def environment_below(folder: Path) -> dict[str, str]:
    """The environment in which wandb writes below `folder` only, and prints nothing of its own."""
    places = {name: str(folder / place) for name, place in _PLACES.items()}
    return {**places, "WANDB_CACHE_DIR": _process_cache(), **_MANNERS}


@cache
def _process_cache() -> str:
    """One cache for the process, gone with it: wandb-core keeps to the one that it began with.

    It holds copies of what artifacts hold, so that it must not outlive them.
    """
    until_exit = ExitStack()
    atexit.register(until_exit.close)
    return str(until_exit.enter_context(spill_folder()))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        yield


def is_being_written(folder: Path) -> bool:
    """Whether a process records a run in this folder now; one that was killed does not."""
    with (folder / _LOCK).open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def run_settings(folder: Path, settings: Settings, patience: Patience | None) -> wandb.Settings:
    """Settings for wandb: online with a patience, else offline; no console, no look at the machine.

    The key is handed over here, so that no login writes it to a file.
    """
    import wandb

    quiet = wandb.Settings(
        mode="offline",
        root_dir=str(folder),
        console="off",
        quiet=True,
        silent=True,
        show_errors=False,
        show_warnings=False,
        disable_git=True,
        disable_code=True,
        disable_job_creation=True,
        save_code=False,
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )
    return _online(quiet, settings, patience) if patience else quiet


def _online(quiet: wandb.Settings, settings: Settings, patience: Patience) -> wandb.Settings:
    """The same, sent as it goes. Without limits wandb waits 90 s to begin, and for ever to end."""
    key = settings.wandb_api_key
    limits = {
        f"x_{channel}_{limit}": value
        for channel in ("graphql", "file_transfer", "file_stream")
        for limit, value in {
            "retry_max": 3,
            "retry_wait_min_seconds": 0.5,
            "retry_wait_max_seconds": 2,
            "timeout_seconds": patience.step,
        }.items()
    }
    changes = {
        "mode": "online",
        "api_key": key.get_secret_value() if key else None,
        "init_timeout": patience.step,
        "finish_timeout": patience.finish,
        "finish_timeout_raises": True,
        **limits,
    }
    if settings.wandb_url:
        changes["base_url"] = settings.wandb_url
    online: wandb.Settings = quiet.model_copy()
    for name, value in changes.items():
        setattr(online, name, value)
    return online


def plain_error(error: Exception | str, settings: Settings) -> str:
    """One line that says what went wrong, without the key."""
    lines = str(error).strip().splitlines() or [repr(error)]
    key = settings.wandb_api_key
    return (lines[0].replace(key.get_secret_value(), "***") if key else lines[0])[:200]
