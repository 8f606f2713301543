"""Output of the command line: text, tables and JSON on standard output, notes on standard error.

What is printed here acts on no terminal, whoever wrote it. Libraries are imported when they are
used, since most commands need none of them.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from deployments.server.prefect_settings import HEARTBEAT_SECONDS, NO_TELEMETRY

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tasks.core.records import Evaluation, Outcome

_MAX_LENGTH = 2_000  # characters of one text
_SMALL = 0.01  # a smaller number, such as a learning rate, would show as zero with three decimals
_USUAL = 80  # columns of a terminal that does not say
_UNBOUNDED = 10_000  # columns where nothing says how many there are: rows are not folded in a pipe
_INDENT = "  "  # of the lines that a text takes after its first
NONE = "–"  # in a table, for what is not there

_COLOURS = {
    "released": "green",
    "unchanged": "cyan",
    "held back": "yellow",
    "failed": "red",
    "skipped": "yellow",
    "interrupted": "yellow",
}
# From the start of the terminal's line: what stands there is cleared first.
_CLEAR = "\r\x1b[2K"
_verbosity = 0
_line_is_open = False


def set_verbosity(verbosity: int) -> None:
    """How much is printed on standard error: -1 errors only, 0 the usual, 1 everything."""
    global _verbosity  # noqa: PLW0603 - of the process, as its streams are
    _verbosity = verbosity


def verbosity() -> int:
    """As `set_verbosity` was called last."""
    return _verbosity


def for_terminal(text: str) -> str:
    """Text on one line without what a terminal would act on, at most 2,000 characters long."""
    from tasks.publishing.escaping import plain

    return plain(text, _MAX_LENGTH)


def harmless(text: str) -> str:
    """Text with whatever a terminal would act on as escapes; lines and their ends stay."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    from tasks.publishing.escaping import visible

    return "\n".join(visible(line) for line in text.split("\n"))


def prepare_environment() -> None:
    """Set what Prefect and other libraries read when they are imported.

    Their console output would repeat ours, with tracebacks for errors that we print in one line.
    All of it stays in the logs of the run's page, and `--verbose` shows it.
    """
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "huggingtweets")
    for name, value in NO_TELEMETRY.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
    # Else the automations of a server would take a run that is alive for a crashed one.
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", HEARTBEAT_SECONDS)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def say(text: str = "") -> None:
    """Print to standard output, at once; long lines are the terminal's to wrap."""
    close_line()
    sys.stdout.write(f"{harmless(text)}\n")
    sys.stdout.flush()


def say_folded(text: str) -> None:
    """Print a text; the lines that it takes after its first are indented."""
    for line in _folded(for_terminal(text), width(), _INDENT):
        say(line)


def say_item(text: str, mark: str = "  · ") -> None:
    """Print a text behind a mark; the lines it takes stand below each other."""
    for place, line in enumerate(_folded(for_terminal(text), max(width() - len(mark) - 1, 20))):
        say(f"{' ' * len(mark) if place else mark}{line}")


def note(text: str) -> None:
    """Print to standard error what is not a result, unless `--quiet` was given."""
    if _verbosity >= 0:
        complain(text)


def complain(text: str, indent: str = _INDENT) -> None:
    """Print to standard error, in any case; on a terminal a long line is folded between words.

    indent: of the lines that it takes after its first. What has lines of its own, such as a
    traceback, is printed as it is.
    """
    sys.stdout.flush()  # so that both come in order where they go to one place
    close_line()
    shown = harmless(text)
    lines = [shown] if "\n" in shown else _folded(shown, _width_of_errors(), indent)
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()


def show_line(text: str) -> None:
    """Print a line to the terminal of standard error that whatever is printed next replaces."""
    global _line_is_open  # noqa: PLW0603 - of the process, as the terminal is
    close_line()
    sys.stderr.write(harmless(text)[: _width_of_errors() - 1])
    sys.stderr.flush()
    _line_is_open = True


def close_line() -> None:
    """Clear the line that `show_line` has printed, if one stands there."""
    global _line_is_open  # noqa: PLW0603 - as above
    if _line_is_open:
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()
        _line_is_open = False


def width() -> int:
    """Columns of the output: of `COLUMNS`, or of the terminal; in a pipe there is no bound."""
    if os.environ.get("COLUMNS", "").isdigit() or sys.stdout.isatty():
        return max(shutil.get_terminal_size().columns, 20)
    return _UNBOUNDED


def _width_of_errors() -> int:
    """Columns of standard error, which may be a terminal where standard output is none."""
    if not sys.stderr.isatty():
        return _UNBOUNDED
    columns = os.environ.get("COLUMNS", "")
    given = int(columns) if columns.isdigit() else 0
    return max(given or _columns_of(sys.stderr) or _USUAL, 20)


def _columns_of(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns  # 0 where a terminal does not know
    except OSError:
        return 0


def print_json(value: Any) -> None:
    """Print records or plain values as JSON to standard output; what is no number is null."""
    from pydantic import TypeAdapter

    from tasks.publishing.escaping import visible_json

    plain_value = _finite(TypeAdapter(Any).dump_python(value, mode="json"))
    text = json.dumps(plain_value, indent=2, ensure_ascii=False, allow_nan=False)
    close_line()
    sys.stdout.write(visible_json(text) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None  # JSON has no NaN
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list) else value


def print_row(row: dict[str, Any], title: str, *, as_json: bool) -> None:
    """Print a single row, as JSON or as a list of its fields."""
    if as_json:
        print_json(row)
        return
    say(for_terminal(title))
    print_fields(row)


def print_fields(row: dict[str, Any]) -> None:
    """Print names and values, a line each; a value of several lines is indented below its first.

    In a list of values, the lines that one takes after its first are indented further.
    """
    longest = max(map(len, row), default=0)
    for name, value in row.items():
        indent, values = (_INDENT, value) if isinstance(value, list) else ("", [value])
        room = max(width() - longest - 4, 20)
        folded = [part for each in values for part in _folded(_cell(each), room, indent)]
        for place, line in enumerate(folded or [NONE]):
            say(f"  {name if place == 0 else '':{longest}}  {line}".rstrip())


def _folded(line: str, room: int, indent: str = "") -> list[str]:
    """A line in parts of at most `room` columns; a word stays whole, so that it can be copied.

    indent: of the parts after the first.
    """
    if len(line) <= room:
        return [line]
    parts = textwrap.wrap(
        line, room, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return parts or [line]


def print_table(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print rows that have the same keys, with numbers aligned to the right.

    A title of several words is printed above; an empty one is not.
    """
    table = _table()
    for column in rows[0] if rows else ():
        numbers = all(isinstance(row[column], int | float | None) for row in rows)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        style = _COLOURS.get(str(row.get("outcome")))
        table.add_row(*(_cell(value) for value in row.values()), style=style)
    if title:
        say(for_terminal(title))
    _print(table)


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print a line for each bot: its outcome, and why."""
    rows = [
        {"bot": f"@{each.bot}", "outcome": each.status.value, "reason": each.plain_reason}
        for each in outcomes
    ]
    print_table("", rows)


def print_predictions(evaluation: Evaluation, start: str) -> None:
    """Print what the bot wrote for one start, a line for each post."""
    for prediction in evaluation.predictions:
        if prediction.start == start:
            say_item(prediction.text)


def _table() -> Table:
    from rich.table import Table

    return Table(box=None, pad_edge=False, header_style="bold")


def _print(table: Table) -> None:
    """Print a table without the blanks that fill its lines."""
    screen = _console()
    with screen.capture() as capture:
        screen.print(table)
    close_line()
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))
    sys.stdout.flush()


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, width=width())


def _cell(value: Any) -> str:
    if value is None:
        return NONE
    if isinstance(value, float):
        return f"{value:.3g}" if 0 < abs(value) < _SMALL else f"{value:.3f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return for_terminal(str(value))


def shown_path(path: str | None) -> str | None:
    """A path as short as it can be here: below the current folder, without that."""
    here = f"{Path.cwd()}{os.sep}"
    return path.removeprefix(here) if path and path != here else path
