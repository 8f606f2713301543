"""Weights & Biases: what a bot was made from and how it went, told as two runs.

Online where there is a key, else (or once that fails) offline, to be sent later. Nothing that
happens here fails a training.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core.records import TrackedRun
from tasks.core.settings import Settings
from tasks.tracking.artifact_specs import Tables, Thing
from tasks.tracking.environment import Patience, own_folders, plain_error, run_settings
from tasks.tracking.service_outage import Outage
from tasks.tracking.tracked_runs import Chapter, Training, chapters

if TYPE_CHECKING:
    import wandb

# A failure that took longer than this (seconds) is not worth repeating for the next bot.
SLOW = 3.0
_log = logging.getLogger("huggingtweets")
_outage = Outage()


def track_bot(
    training: Training,
    *,
    folder: Path,
    read_tables: Callable[[], Tables],
    settings: Settings,
    patience: Patience | None = None,
    outage: Outage = _outage,
) -> TrackedRun:
    """Record both runs; those that are not sent lie below `folder`, in the bot's own.

    Returns an empty TrackedRun where tracking is off or fails: it never raises.
    """
    if not settings.tracking:
        return TrackedRun()
    diary = _Diary(
        training.bot.name, folder / training.bot.name, settings, patience or Patience(), outage
    )
    # The one place that swallows: a bot is not lost for the sake of its diary.
    try:
        told = chapters(training, read_tables(), with_texts=settings.wandb_texts)
        preprocess, train = [diary.write(chapter) for chapter in told]
    except Exception as error:  # noqa: BLE001  (wandb raises whatever its threads meet)
        _log.warning(
            "@%s: tracking failed (%s): the release goes on without it",
            training.bot, plain_error(error, settings),
        )  # fmt: skip
        return TrackedRun()
    return TrackedRun(train.url, train.folder, train.id, preprocess_url=preprocess.url)


@dataclass
class _Diary:
    """Writes runs, each in a folder of its own, online until that fails."""

    bot: str
    folder: Path
    settings: Settings
    patience: Patience
    outage: Outage
    started: float = field(default_factory=time.monotonic)
    fallen: bool = False
    began: bool = False

    def write(self, chapter: Chapter) -> TrackedRun:
        # Offline it is the same run once more, so that what had arrived of it is completed later.
        id_ = _new_id(chapter)
        if self.settings.wandb_api_key and not self.fallen and not self.outage.lasts:
            begun = time.monotonic()
            try:
                return self._online(chapter, id_)
            except Exception as error:  # noqa: BLE001  (as above)
                self._fall(error, time.monotonic() - begun)
                shutil.rmtree(self.folder / id_, ignore_errors=True)
                # wandb does not let go of the id of a run that could not begin.
                id_ = id_ if self.began else _new_id(chapter)
        self._written(chapter, id_, online=False)
        return TrackedRun(None, str(self.folder / id_), id_)

    def _fall(self, error: Exception, seconds: float) -> None:
        self.fallen = True
        if seconds > SLOW:
            self.outage.begin()
        _log.warning(
            "@%s: tracking online failed after %.0f s (%s): `huggingtweets sync` sends it later",
            self.bot, seconds, plain_error(error, self.settings),
        )  # fmt: skip

    def _online(self, chapter: Chapter, id_: str) -> TrackedRun:
        run = self._written(chapter, id_, online=True)
        if not self._has_arrived(run):
            return TrackedRun(run.url, str(self.folder / id_), id_)
        shutil.rmtree(self.folder / id_, ignore_errors=True)
        return TrackedRun(run.url, None, id_)

    def _written(self, chapter: Chapter, id_: str, *, online: bool) -> wandb.Run:
        with own_folders(self.folder / id_), self._run(chapter, id_, online=online) as run:
            for thing in chapter.used:
                self._use(run, thing, online=online)
            _log_figures(run, chapter)
            artifact = run.log_artifact(_artifact(chapter.made))
            if online:
                artifact.wait(timeout=self._time_left())
        return run

    @contextmanager
    def _run(self, chapter: Chapter, id_: str, *, online: bool) -> Iterator[wandb.Run]:
        import wandb

        patience = replace(self.patience, step=self._time_left()) if online else None
        self.began = False
        run = wandb.init(
            id=id_,
            project=self.settings.wandb_project,
            entity=self.settings.wandb_entity,
            name=chapter.name,
            job_type=chapter.job,
            config=dict(chapter.config),
            reinit="create_new",
            settings=run_settings(self.folder / id_, self.settings, patience),
        )
        self.began = True
        try:
            yield run
        except BaseException:
            with suppress(TimeoutError):  # what came before it says more
                run.finish(exit_code=1)
            raise
        run.finish()

    def _use(self, run: wandb.Run, thing: Thing, *, online: bool) -> None:
        """Make a thing an input of the run.

        It is what `use_artifact` does with one of the same content, which W&B knows again by its
        digest; but that would wait without a limit, and refuses to be used offline.
        """
        artifact = run._log_artifact(  # noqa: SLF001
            _artifact(thing), is_user_created=True, use_after_commit=True
        )
        if online:
            artifact.wait(timeout=self._time_left())

    def _has_arrived(self, run: wandb.Run) -> bool:
        """Whether the service knows the run as finished; to lose its curves raises nothing."""
        api = run._public_api()  # noqa: SLF001  (it has the run's key, and its limit of time)
        state = api.run(run.path).state
        if state != "finished":
            _log.warning(
                "@%s: %s is %s: `huggingtweets sync` completes it", self.bot, run.url, state
            )
        return bool(state == "finished")

    def _time_left(self) -> int:
        left = self.started + self.patience.whole - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"not done after {self.patience.whole:.0f} s")
        return ceil(min(left, self.patience.step))


def _new_id(chapter: Chapter) -> str:
    return f"{chapter.job}-{secrets.token_hex(4)}"


def _artifact(thing: Thing) -> wandb.Artifact:
    import wandb

    artifact = wandb.Artifact(thing.name, type=thing.kind, metadata=dict(thing.facts))
    for name, data in thing.files().items():
        with artifact.new_file(name, mode="wb") as stream:
            stream.write(data)
    if thing.reference:
        # Its files appear there only later, so their digests cannot be asked for.
        artifact.add_reference(thing.reference, name="model", checksum=False)
    return artifact


def _log_figures(run: wandb.Run, chapter: Chapter) -> None:
    import wandb

    if chapter.curves:
        run.define_metric("tokens", hidden=True)
        run.define_metric("*", step_metric="tokens")
    for row in chapter.curves:
        run.log(dict(row))
    if chapter.predictions:
        rows = [list(pair) for pair in chapter.predictions]
        run.log({"predictions": wandb.Table(columns=["Input", "Prediction"], data=rows)})
    run.summary.update(dict(chapter.summary))
