"""Where the report of a bot's last sweep is, which its card links."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.core.names import Bot
from tasks.storage import Storage
from tasks.storage.state_file import StateFiles


@dataclass(frozen=True)
class SweepReport:
    """The page of a sweep that a bot was part of. sweep: its name."""

    bot: str
    sweep: str
    url: str


_REPORTS = StateFiles("sweep-reports", SweepReport, remedy="delete it, or sweep the bot again")


def keep_report(storage: Storage, bots: Iterable[str], sweep: str, url: str) -> None:
    """Note a sweep's page for each of its bots, by name. Raises StorageUnusable."""
    for bot in bots:
        _REPORTS.save(storage, bot, SweepReport(bot, sweep, url))


def report_url(storage: Storage, bot: Bot) -> str | None:
    """The page of the last sweep of a bot, or None; a damaged record is logged."""
    report = _REPORTS.load_readable(storage, bot.name)
    return report.url if report else None
