"""Sends the runs that were recorded offline, each once, preprocessing before training.

`wandb sync` sends them, with their inputs and outputs. It marks a run as sent even when its
artifacts or curves did not arrive, so we ask the service afterwards and keep a mark of our own.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core.errors import BadInput
from tasks.core.settings import Settings
from tasks.storage.drafts import temporary_folder
from tasks.tracking.run_specs import PREPROCESS
from tasks.tracking.wandb_environment import (
    environment_below,
    is_being_written,
    plain_error,
    wandb_confined_to,
)

if TYPE_CHECKING:
    import wandb

_MARK = "sent"
_AT_ONCE = 20  # runs that one `wandb sync` process sends
_CUT = "incomplete record"  # wandb's words
_IN_PART = "in part: its record is truncated"
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_URL = re.compile(r"https?://\S+/([^/\s]+)/([^/\s]+)/runs/([^/\s]+)")
_RETRIES = {"RETRY_MAX": "4", "RETRY_WAIT_MAX_SECONDS": "4", "TIMEOUT_SECONDS": "30"}


@dataclass(frozen=True)
class SendResult:
    """The result of sending one run.

    bot: its bot's name, or `sweeps`; run: its id.
    url: its page, or None where it was not sent; trouble: why not, or what is missing.
    """

    bot: str
    run: str
    url: str | None
    trouble: str | None = None


@dataclass(frozen=True)
class _OfflineRun:
    """A recorded run below its bot's folder; `file` is wandb's record."""

    bot: str
    root: Path
    file: Path

    @property
    def id(self) -> str:
        return self.file.stem.removeprefix("run-")


def send_offline_runs(
    folder: Path, settings: Settings, *, seconds: float = 60, at_once: int = _AT_ONCE
) -> list[SendResult]:
    """Send all runs below `folder` that are not marked as sent, and mark them.

    seconds: the time limit of one process, plus a tenth of it for each of its runs. If nothing of
    one process arrives, the rest is not tried. Raises BadInput without a key.
    """
    if settings.wandb_api_key is None:
        raise BadInput("to send recorded runs, set HUGGINGTWEETS_WANDB_API_KEY")
    results: list[SendResult] = []
    for group in _groups(folder, at_once):
        limit = seconds * (1 + len(group) / 10)
        results += (sent := _send(group, settings, limit))
        if not any(each.url for each in sent):
            break
    known = {result.run for result in results}
    skipped = [each for each in _waiting(folder) if each.id not in known]
    return results + [SendResult(each.bot, each.id, None, _why_not(each)) for each in skipped]


def recorded_before(folder: Path, at: datetime) -> list[Path]:
    """The folders of recorded runs, sent or not, in which nothing has changed since a time."""
    # Most are young: of these only the folder's own time is asked for.
    made = [root for root in sorted(folder.glob("*/*/")) if root.stat().st_mtime < at.timestamp()]
    roots = [root for root in made if (root / "wandb").is_dir()]
    return [root for root in roots if _last_change(root) < at and not is_being_written(root)]


def _last_change(folder: Path) -> datetime:
    times = [path.lstat().st_mtime for path in folder.rglob("*") if path.is_file()]
    return datetime.fromtimestamp(max(times, default=time.time()), UTC)


def _waiting(folder: Path) -> list[_OfflineRun]:
    found = [
        _OfflineRun(file.parents[3].name, file.parents[2], file)
        for file in sorted(folder.glob("*/*/wandb/*run-*/run-*.wandb"))
    ]
    return [each for each in found if not (each.root / _MARK).exists()]


def _groups(folder: Path, at_once: int) -> Iterator[list[_OfflineRun]]:
    ready = [each for each in _waiting(folder) if not is_being_written(each.root)]
    first = [each for each in ready if each.id.startswith(PREPROCESS)]
    then = [each for each in ready if each not in first]
    for runs in (first, then):
        for start in range(0, len(runs), at_once):
            yield runs[start : start + at_once]


def _why_not(recorded: _OfflineRun) -> str:
    if is_being_written(recorded.root):
        return "still being recorded: send it once that has ended"
    return "not tried, since the runs before it did not arrive"


def _send(group: Sequence[_OfflineRun], settings: Settings, limit: float) -> list[SendResult]:
    with temporary_folder() as own, wandb_confined_to(own):
        output = _run_wandb([each.file for each in group], own, settings, limit)
        return [_marked(each, _result(each, output, settings)) for each in group]


def _marked(recorded: _OfflineRun, result: SendResult) -> SendResult:
    if result.url and (result.trouble is None or result.trouble == _IN_PART):
        (recorded.root / _MARK).write_text(f"{result.url}\n")
        shutil.rmtree(recorded.root / "data", ignore_errors=True)  # copies, only needed for sending
    return result


def _result(recorded: _OfflineRun, output: str, settings: Settings) -> SendResult:
    lines = [line for line in output.splitlines() if recorded.id in line]
    found = next(filter(None, map(_URL.search, lines)), None)
    if found is None:
        return SendResult(recorded.bot, recorded.id, None, _last_error(output, settings))
    if any(_CUT in line for line in lines):
        return SendResult(recorded.bot, recorded.id, found[0], _IN_PART)
    return SendResult(recorded.bot, recorded.id, found[0], _missing(found, settings))


def _last_error(output: str, settings: Settings) -> str:
    errors = [line.partition("ERROR ")[2] for line in output.splitlines() if "ERROR " in line]
    return plain_error(errors[-1] if errors else "no answer in time", settings)


def _missing(found: re.Match[str], settings: Settings) -> str | None:
    """What the service lacks of a run that was sent to it."""
    try:
        run = _api(settings).run("/".join(found.groups()))
        if run.state == "running":
            return "its curves did not arrive: send it again"
        artifacts = [*run.config.get("inputs", ()), run.config.get("output")]
        there = [*run.used_artifacts(), *run.logged_artifacts()]
    except Exception as error:  # noqa: BLE001  (wandb raises whatever its threads meet)
        return plain_error(error, settings)
    wanted, known = {each["name"] for each in artifacts if each}, {each.name for each in there}
    lost = ", ".join(sorted(wanted - {name.rpartition(":")[0] for name in known}))
    return f"{lost} did not arrive: send it again" if lost else None


def _api(settings: Settings) -> wandb.Api:
    import wandb

    key = settings.wandb_api_key
    server = {"base_url": settings.wandb_url} if settings.wandb_url else {}
    return wandb.Api(overrides=server, api_key=key.get_secret_value() if key else None)


def _run_wandb(files: Sequence[Path], folder: Path, settings: Settings, limit: float) -> str:
    """The output of `wandb sync` for these files; on timeout its whole process group is killed."""
    for file in files:  # wandb's own marks, which are not reliable
        for suffix in (".synced", ".syncstate"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
    command = [sys.executable, "-m", "wandb", "sync", "--include-online", *map(str, files)]
    process = subprocess.Popen(  # noqa: S603  (nothing in it comes from outside)
        command,
        cwd=folder,
        env=_sync_environment(folder, settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    return _ESCAPES.sub("", output)


def _sync_environment(folder: Path, settings: Settings) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    key = settings.wandb_api_key
    retries = {
        f"WANDB__{channel}_{name}": value
        for channel in ("GRAPHQL", "FILE_STREAM", "FILE_TRANSFER")
        for name, value in _RETRIES.items()
    }
    server = {"WANDB_BASE_URL": settings.wandb_url} if settings.wandb_url else {}
    ours = {**environment_below(folder), **retries, **server}
    del ours["WANDB_SILENT"]  # its output is parsed
    return {**inherited, **ours, "WANDB_API_KEY": key.get_secret_value() if key else ""}
