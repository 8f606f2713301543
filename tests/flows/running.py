"""Run the `retrain` flow as its users do, and look at what came out."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.requests import BotRequest, RetrainOptions
from flows.retrain import retrain
from tasks.core.records import Outcome, Spec
from tasks.core.settings import settings
from tests.servers import x_api
from tests.servers.community_archive import Archive
from tests.servers.hub import TOKEN, Hub

QUICK = Spec(epochs=1, precision="fp32")


def run(requests: list[BotRequest], base: Path, **options: Any) -> tuple[str, dict[str, Outcome]]:
    """The final state's name and the outcomes by bot."""

    async def story() -> tuple[str, dict[str, Outcome]]:
        chosen = RetrainOptions(base=str(base), **{"training": QUICK, **options})
        state = await retrain(requests, chosen, return_state=True)
        outcomes = await state.aresult(raise_on_failure=False)
        return state.name, {outcome.bot: outcome for outcome in outcomes}

    return asyncio.run(story())


def use_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is pushed go to this Hub."""
    for name, value in {"ENDPOINT": hub.url, "TOKEN": TOKEN, "NAMESPACE": "me"}.items():
        monkeypatch.setenv(f"HUGGINGTWEETS_HUB_{name}", value)
    settings.cache_clear()


def use_x_api(api: x_api.XApi, monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    """Let posts come from this X; `more` are further settings."""
    values = {"X_API_URL": api.url, "X_BEARER_TOKEN": x_api.TOKEN, "X_ACCEPT_TERMS": "true", **more}
    for name, value in values.items():
        monkeypatch.setenv(f"HUGGINGTWEETS_{name}", value)
    settings.cache_clear()


def use_community_archive(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let posts come from this Community Archive."""
    for name, value in {"URL": archive.url, "KEY": archive.key}.items():
        monkeypatch.setenv(f"HUGGINGTWEETS_COMMUNITY_ARCHIVE_{name}", value)
    settings.cache_clear()


def run_alone(hub: Hub, program: str, *words: str) -> str:
    """What a user's program prints, in a process that knows nothing of this project but the Hub."""
    loads_from_here = {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(Path.cwd() / "hf"),
    }
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True, text=True, check=False, env={**os.environ, **loads_from_here},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
