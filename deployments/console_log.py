"""The project's log lines on a terminal, and a training's progress as one line that changes."""

from __future__ import annotations

import logging
import sys
from typing import Any

from deployments import console

_MAX_LENGTH = 2_000  # characters of one message
_BELOW_MESSAGE = " " * len("00:00:00 ")  # begin the lines that one takes after its first
_SHARE = 10  # percent of a training between two lines where there is no terminal


class TerminalFormatter(logging.Formatter):
    """Escapes whatever in a log line a terminal would act on: names and answers are from outside.

    A message stays on one line; a traceback keeps its lines.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The escaped message, shortened."""
        from tasks.publishing.escaping import visible

        message = visible(super().formatMessage(record))
        return message if len(message) <= _MAX_LENGTH else f"{message[: _MAX_LENGTH - 1]}…"

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """The traceback, escaped line by line."""
        return _line_by_line(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's name
        """The stack, escaped line by line."""
        return _line_by_line(super().formatStack(stack_info))


def _line_by_line(text: str) -> str:
    from tasks.publishing.escaping import visible

    return "\n".join(visible(line) for line in text.split("\n"))


class TerminalHandler(logging.Handler):
    """Prints log lines to standard error, with the time of day.

    A record with an attribute `percent` is progress of what its attribute `subject` names: on a
    terminal it is a line that the next one replaces, elsewhere there is a line each ten percent.
    One with an attribute `in_report` is left out: the command's report says it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(TerminalFormatter("%(asctime)s %(message)s", "%H:%M:%S"))
        self._shown: dict[str, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        try:
            self._print(record)
        except Exception:  # noqa: BLE001 - as every handler does: a log line ends no work
            self.handleError(record)

    def _print(self, record: logging.LogRecord) -> None:
        if getattr(record, "in_report", False):
            return
        percent = getattr(record, "percent", None)
        if percent is not None and percent < 100 and sys.stderr.isatty():
            console.show_line(record.getMessage())  # its time is now
        elif percent is None or self._is_new(record, percent):
            console.complain(self.format(record), _BELOW_MESSAGE)

    def _is_new(self, record: logging.LogRecord, percent: float) -> bool:
        subject, share = str(getattr(record, "subject", "")), int(percent) // _SHARE
        if self._shown.get(subject, -1) >= share:
            return False
        self._shown[subject] = share if percent < 100 else -1
        return True


def show_progress() -> None:
    """Print the project's log lines to standard error, by `--quiet` and `--verbose`."""
    logger = logging.getLogger("huggingtweets")
    levels = {-1: logging.ERROR, 0: logging.INFO, 1: logging.DEBUG}
    logger.setLevel(min(levels[console.verbosity()], logging.INFO))
    if not any(isinstance(handler, TerminalHandler) for handler in logger.handlers):
        handler = TerminalHandler()
        handler.setLevel(levels[console.verbosity()])
        logger.addHandler(handler)
