"""What the command line prints: progress lines, tables, one-line errors."""

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

from tasks.core.records import Evaluation, Outcome, Status
from tasks.publishing.escaping import plain, visible, visible_json

# Into a pipe or a file a table is not folded to the 80 columns of an absent terminal.
_WIDTH = None if sys.stdout.isatty() else 200
out = Console(highlight=False, markup=False, emoji=False, width=_WIDTH)
err = Console(stderr=True, highlight=False, markup=False, emoji=False, width=_WIDTH)

_LONGEST = 2_000  # characters of one text
_SMALL = 0.01  # of a smaller number, such as a learning rate, three decimals would show nothing

_COLOURS = {
    Status.RELEASED: "green",
    Status.UNCHANGED: "cyan",
    Status.HELD_BACK: "yellow",
    Status.FAILED: "red",
    Status.SKIPPED: "yellow",
}


def for_terminal(text: str) -> str:
    """Text from outside without anything that a terminal would act on, at most 2,000 long."""
    return plain(text, _LONGEST)


def prepare_environment() -> None:
    """Set what Prefect and its neighbours read when they are imported.

    Their own console output would repeat ours, and would print tracebacks for errors that are
    told in one line; all of it stays in the logs of the run's page.
    """
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "huggingtweets")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "60")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


class TerminalFormatter(logging.Formatter):
    """Log lines in which nothing acts on a terminal, whoever's name or answer is in them.

    A message stays on its line; a traceback keeps its own.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The message alone, escaped, and shortened: Rich takes a second for 10,000 characters."""
        message = visible(super().formatMessage(record))
        return message if len(message) <= _LONGEST else f"{message[: _LONGEST - 1]}…"

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


def start_prefect() -> None:
    """Say what the next seconds go to, and let the project's log lines be seen."""
    show_progress()
    err.print("Starting Prefect …")


def result_of(state: Any) -> Any:
    """What a flow returned, though its run may have failed; raises what it raised."""
    result = state.result(raise_on_failure=False)
    if isinstance(result, BaseException):
        raise result
    return result


def print_json(value: Any) -> None:
    """Print records or plain values as JSON to standard output."""
    told = TypeAdapter(Any).dump_python(value, mode="json")
    sys.stdout.write(visible_json(json.dumps(told, indent=2, ensure_ascii=False)) + "\n")


def print_table(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print rows of equal keys; numbers stand to the right."""
    table = Table(title=title, title_justify="left")
    for column in rows[0] if rows else ():
        numbers = all(isinstance(row[column], int | float) for row in rows)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    out.print(table)


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print a line for each bot: what happened to it, and why."""
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
    """Print what the bot wrote for one start, a line each."""
    for prediction in evaluation.predictions:
        if prediction.start == start:
            out.print(f"  · {for_terminal(prediction.text)}", soft_wrap=True)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if 0 < abs(value) < _SMALL else f"{value:.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    return for_terminal(str(value))
