"""An empty Prefect database, so that not every server of a test has to migrate one.

A server on a new database runs a hundred migrations, which takes longer than the rest of its start.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

_KEPT = Path(__file__).parents[2] / ".pytest_cache" / f"prefect-{version('prefect')}.db"
_NAME = "prefect.db"  # in Prefect's home
_CREATE = """
import asyncio
from prefect.server.database import provide_database_interface
asyncio.run(provide_database_interface().create_db())
"""


def put_database(home: Path) -> Path:
    """Put the database where a server with this PREFECT_HOME looks for it; returns its path."""
    home.mkdir(parents=True, exist_ok=True)
    _KEPT.parent.mkdir(exist_ok=True)
    with FileLock(_KEPT.with_suffix(".lock")):
        if not _KEPT.exists():
            _create()
    return Path(shutil.copyfile(_KEPT, home / _NAME))


def _create() -> None:
    """Let Prefect create it as a server does; it is renamed when whole."""
    with tempfile.TemporaryDirectory(dir=_KEPT.parent) as home:
        own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        environment = {**own, "PREFECT_HOME": home}
        subprocess.run([sys.executable, "-c", _CREATE], env=environment, check=True)
        (Path(home) / _NAME).rename(_KEPT)
