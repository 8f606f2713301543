"""Output of the command line: progress lines, tables, JSON."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

from deployments.server.prefect_settings import HEARTBEAT_SECONDS, NO_TELEMETRY
from tasks.core.records import Evaluation, Outcome, Status
from tasks.publishing.escaping import plain, visible, visible_json

# In a pipe or a file, tables are not folded to the 80 columns of a terminal that is not there.
_WIDTH = None if sys.stdout.isatty() else 200
out = Console(highlight=False, markup=False, emoji=False, width=_WIDTH)
err = Console(stderr=True, highlight=False, markup=False, emoji=False, width=_WIDTH)

_MAX_LENGTH = 2_000  # characters of one text
_SMALL = 0.01  # a smaller number, such as a learning rate, would show as zero with three decimals

_COLOURS = {
    Status.RELEASED: "green",
    Status.UNCHANGED: "cyan",
    Status.HELD_BACK: "yellow",
    Status.FAILED: "red",
    Status.SKIPPED: "yellow",
    Status.INTERRUPTED: "yellow",
}


def for_terminal(text: str) -> str:
    """Text without what a terminal would act on, at most 2,000 characters long."""
    return plain(text, _MAX_LENGTH)


def prepare_environment() -> None:
    """Set what Prefect and other libraries read when they are imported.

    Their console output would repeat ours, with tracebacks for errors that we print in one line.
    All of it stays in the logs of the run's page.
    """
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "huggingtweets")
    for name, value in NO_TELEMETRY.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "60")
    # Else the automations of a server would take a run that is alive for a crashed one.
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", HEARTBEAT_SECONDS)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


class TerminalFormatter(logging.Formatter):
    """Escapes whatever in a log line a terminal would act on: names and answers are from outside.

    A message stays on one line; a traceback keeps its lines.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The escaped message, shortened: Rich takes a second for 10,000 characters."""
        message = visible(super().formatMessage(record))
        return message if len(message) <= _MAX_LENGTH else f"{message[: _MAX_LENGTH - 1]}…"

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """The traceback, escaped line by line."""
        return _line_by_line(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's name
        """The stack, escaped line by line."""
        return _line_by_line(super().formatStack(stack_info))


def _line_by_line(text: str) -> str:
    return "\n".join(visible(line) for line in text.split("\n"))


def show_progress() -> None:
    """Print the project's log lines to standard error, with the time of day."""
    logger = logging.getLogger("huggingtweets")
    logger.setLevel(logging.INFO)
    if not any(isinstance(handler, RichHandler) for handler in logger.handlers):
        handler = RichHandler(
            console=err, show_path=False, show_level=False, log_time_format="%H:%M:%S"
        )
        handler.setFormatter(TerminalFormatter())
        logger.addHandler(handler)


def print_json(value: Any) -> None:
    """Print records or plain values as JSON to standard output."""
    plain_value = TypeAdapter(Any).dump_python(value, mode="json")
    sys.stdout.write(visible_json(json.dumps(plain_value, indent=2, ensure_ascii=False)) + "\n")


def print_row(row: dict[str, Any], title: str, *, as_json: bool) -> None:
    """Print a single row, as JSON or as a table."""
    if as_json:
        print_json(row)
    else:
        print_table(title, [row])


def print_table(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print rows that have the same keys, with numbers aligned to the right."""
    table = Table(title=title, title_justify="left")
    for column in rows[0] if rows else ():
        numbers = all(isinstance(row[column], int | float) for row in rows)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    out.print(table)


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print a line for each bot: its outcome, and why."""
    table = Table(title="Outcomes", title_justify="left")
    for column in ("bot", "outcome", "reason", "release"):
        table.add_column(column, overflow="fold")
    for outcome in outcomes:
        release = outcome.release.hub or outcome.release.folder if outcome.release else "–"
        table.add_row(
            f"@{outcome.bot}",
            outcome.status.value,
            for_terminal(outcome.reason),
            for_terminal(release),
            style=_COLOURS[outcome.status],
        )
    out.print(table)


def print_predictions(evaluation: Evaluation, start: str) -> None:
    """Print what the bot wrote for one start, a line for each post."""
    for prediction in evaluation.predictions:
        if prediction.start == start:
            out.print(f"  · {for_terminal(prediction.text)}", soft_wrap=True)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if 0 < abs(value) < _SMALL else f"{value:.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    return for_terminal(str(value))
