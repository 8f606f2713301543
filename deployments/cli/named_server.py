"""Whether anything that Prefect's settings read could name a server, without importing Prefect."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

# Of settings that hold the URL, or choose the profile that does.
_VARIABLES = ("PREFECT_API_URL", "PREFECT_API", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH")


def may_be_named() -> bool:
    """Whether to ask Prefect: it may still find no server; without this it finds none.

    The environment, `.env`, `prefect.toml` and `pyproject.toml` of the current folder, and the
    profiles in Prefect's home: what `prefect.settings.sources` reads.
    """
    return (
        any(name.upper() in _VARIABLES for name in os.environ)
        or Path("prefect.toml").exists()
        or _profiles().exists()
        or _is_in_dotenv(Path(".env"))
        or _is_in_pyproject(Path("pyproject.toml"))
    )


def _profiles() -> Path:
    home = os.environ.get("PREFECT_HOME")
    return (Path(home) if home else Path.home() / ".prefect") / "profiles.toml"


def _is_in_dotenv(file: Path) -> bool:
    try:
        return file.is_file() and b"prefect_" in file.read_bytes().lower()
    except OSError:
        return True  # Prefect says what is wrong with it


def _is_in_pyproject(file: Path) -> bool:
    try:
        content: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True  # as above
    tools = content.get("tool", {})
    return not isinstance(tools, dict) or "prefect" in tools
