"""Python packages that are downloaded for the files in them, and not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tasks.core.errors import NetworkTrouble


def download_wheel(package: str, version: str, folder: Path, *, wanted_for: str) -> Path:
    """The wheel of a package, without its dependencies, downloaded into `folder`.

    wanted_for: what the message of an error begins with. Raises NetworkTrouble.
    """
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
    done = subprocess.run(  # noqa: S603 - fixed words
        [*command, f"{package}=={version}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        last = said[-1] if said else f"it ended with code {done.returncode}"
        raise NetworkTrouble(f"{wanted_for}: pip could not download {package}: {last}")
    return next(folder.glob("*.whl"))
