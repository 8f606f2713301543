"""Keeps wandb quiet, bounded in time, and inside a folder of ours."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    import wandb

# wandb reads these places from the environment only. Without them it writes to the home folder.
_PLACES = {
    "WANDB_DIR": "",
    "WANDB_DATA_DIR": "data",
    "WANDB_ARTIFACT_DIR": "artifacts",
    "WANDB_CACHE_DIR": "cache",
    "WANDB_CONFIG_DIR": "config",
}
_environment = threading.RLock()


@contextmanager
def own_folders(folder: Path) -> Iterator[None]:
    """Let wandb write below `folder` only; one block at a time, for the environment is shared."""
    with _environment:
        before = {name: os.environ.get(name) for name in _PLACES}
        for name, place in _PLACES.items():
            (folder / place).mkdir(parents=True, exist_ok=True)
            os.environ[name] = str(folder / place)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def quiet_settings(folder: Path, api_key: SecretStr | None) -> wandb.Settings:
    """Settings for wandb: online with a key, else offline; no console, no look at the machine.

    The key is handed over here, so that no login writes it to a file.
    """
    import wandb

    return wandb.Settings(
        mode="online" if api_key else "offline",
        api_key=api_key.get_secret_value() if api_key else None,
        root_dir=str(folder),
        # Without limits wandb waits 90 s for a server to begin with, and for ever at the end.
        init_timeout=30,
        finish_timeout=120,
        console="off",
        quiet=True,
        silent=True,
        show_errors=False,
        show_warnings=False,
        disable_git=True,
        disable_code=True,
        save_code=False,
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
    )
