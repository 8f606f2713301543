"""What of a backfill is done already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from prefect import task

from tasks.core.names import Bot
from tasks.orchestration.policies import UNCACHED
from tasks.publishing.releases import latest_release
from tasks.registry.state import BotState, load_states
from tasks.storage import storage_root


@task(name="find fresh bots", **UNCACHED)
def fresh_bots(names: Sequence[str], age: timedelta) -> set[str]:
    """Those that have a release and were brought up to date less than `age` ago."""
    storage, states, now = storage_root(), load_states(storage_root()).values, datetime.now(UTC)
    found = set()
    for name in names:
        last = states.get(name, BotState()).last_success
        is_young = last is not None and now - last < age
        if is_young and latest_release(storage, Bot.parse(name)) is not None:
            found.add(name)
    return found
