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
from tasks.storage.drafts import temporary_folder

if TYPE_CHECKING:
    import wandb

FOLDER = "wandb"
_LOCK = ".writing"
# wandb reads these paths from the environment only; otherwise it writes to the home folder.
_PLACES = {
    "WANDB_DIR": "",
    "WANDB_DATA_DIR": "data",
    "WANDB_ARTIFACT_DIR": "artifacts",
    "WANDB_CONFIG_DIR": "config",
}
# The timeout (seconds) is for wandb's client, which asks the service before logging an artifact.
# Error reports would go to a third party.
_QUIET = {
    "WANDB_HTTP_TIMEOUT": "6", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"
}  # fmt: skip
_environment = threading.RLock()


@dataclass(frozen=True)
class Timeouts:
    """How long to wait for a service that does not answer, in seconds.

    step: for one request to start or arrive; finish: for a run's end; total: after this long
    nothing more is started. With the last step and its finish a bot loses less than a minute:
    measured against a server that dies and one that hangs, see `tests/tasks/tracking`.
    """

    step: float = 12
    finish: float = 10
    total: float = 30


def tracking_folder(storage: Storage, settings: Settings) -> Path:
    """The folder of runs on this machine, each bot's below its name.

    wandb writes to disk only, so with an object store it is in the cache.
    """
    return storage.local(FOLDER) if storage.is_local else settings.cache / FOLDER


@contextmanager
def wandb_confined_to(folder: Path) -> Iterator[None]:
    """Confine wandb's files to `folder`; one block at a time, since the environment is shared."""
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
    """Environment variables that confine wandb to `folder` and keep it from printing."""
    places = {name: str(folder / place) for name, place in _PLACES.items()}
    return {**places, "WANDB_CACHE_DIR": _process_cache(), **_QUIET}


@cache
def _process_cache() -> str:
    """One cache a process, removed at its exit: wandb-core uses the one that it started with.

    It holds copies of artifacts' files, so it must not outlive them.
    """
    until_exit = ExitStack()
    atexit.register(until_exit.close)
    return str(until_exit.enter_context(temporary_folder()))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        yield


def is_being_written(folder: Path) -> bool:
    """Whether a living process is recording a run in this folder."""
    with (folder / _LOCK).open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def run_settings(folder: Path, settings: Settings, timeouts: Timeouts | None) -> wandb.Settings:
    """Settings for wandb: online with these timeouts, or offline; no console, no machine info.

    The key is passed here, so that no login writes it to a file.
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
    return _online(quiet, settings, timeouts) if timeouts else quiet


def _online(quiet: wandb.Settings, settings: Settings, timeouts: Timeouts) -> wandb.Settings:
    """The same settings, online. By default wandb waits 90 s to start, and for ever to finish."""
    key = settings.wandb_api_key
    limits = {
        f"x_{channel}_{limit}": value
        for channel in ("graphql", "file_transfer", "file_stream")
        for limit, value in {
            "retry_max": 3,
            "retry_wait_min_seconds": 0.5,
            "retry_wait_max_seconds": 2,
            "timeout_seconds": timeouts.step,
        }.items()
    }
    changes = {
        "mode": "online",
        "api_key": key.get_secret_value() if key else None,
        "init_timeout": timeouts.step,
        "finish_timeout": timeouts.finish,
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
    """The error's first line, without the key."""
    lines = str(error).strip().splitlines() or [repr(error)]
    key = settings.wandb_api_key
    return (lines[0].replace(key.get_secret_value(), "***") if key else lines[0])[:200]
