"""Nights in which there is nothing to do: found, and ended, without a server."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tasks.core.errors import HuggingtweetsError
from tasks.core.settings import settings
from tasks.operations.night_plan import select, summary_of
from tasks.operations.site_building import build_site
from tasks.operations.site_places import place_of
from tasks.operations.tidying import tidy
from tasks.registry.due import NightBudget, Selection
from tasks.registry.entries import Entry
from tasks.registry.nights import load_plan
from tasks.storage import Storage

log = logging.getLogger("huggingtweets")


def night_of(instant: datetime) -> str:
    """The date of the night that an instant belongs to, in the time zone of the settings."""
    return f"{instant.astimezone(ZoneInfo(settings().timezone)):%Y-%m-%d}"


def idle_night(
    storage: Storage, entries: tuple[Entry, ...], night: str, budget: NightBudget
) -> dict[str, Any] | None:
    """The summary of a night without a bot to retrain, after building the site and tidying up.

    None for a night that has one. It is not stored, so that the night can be started again once
    there is something to do.
    Raises StorageUnusable, DamagedState.
    """
    if load_plan(storage, night) is not None:
        return None  # begun, and to be gone on with
    due = select(storage, entries, budget, datetime.now(UTC))
    if due.chosen:
        return None
    summary = summary_of(night, _empty_plan(due), [])
    try:
        tidy(storage, datetime.now(UTC))
    except HuggingtweetsError as error:
        log.warning("night %s: the storage is not tidied up: %s", night, error)
    if settings().site:
        try:
            build_site(storage, place_of(""))
        except HuggingtweetsError as error:
            log.warning("night %s: the site is not up to date: %s", night, error)
    return summary


def _empty_plan(due: Selection) -> dict[str, Any]:
    left = [{"bot": each.entry.bot.name, "why": why} for each, why in due.left]
    return {"began": datetime.now(UTC).isoformat(), "left": left}
