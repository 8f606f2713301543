"""Logs the two runs of a bot to Weights & Biases.

Online where a key is set, else (or once that fails) offline, to be sent later. Nothing that goes
wrong here fails a training.
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
from tasks.tracking.artifact_specs import ArtifactSpec, Tables
from tasks.tracking.run_specs import RunSpec, Training, run_specs
from tasks.tracking.service_outage import Outage
from tasks.tracking.wandb_environment import Timeouts, plain_error, run_settings, wandb_confined_to

if TYPE_CHECKING:
    import wandb

# After a failure that took longer than this (seconds), later bots do not try for a while.
SLOW = 3.0
_log = logging.getLogger("huggingtweets")
_outage = Outage()


def track_bot(
    training: Training,
    *,
    folder: Path,
    read_tables: Callable[[], Tables],
    settings: Settings,
    timeouts: Timeouts | None = None,
    outage: Outage = _outage,
) -> TrackedRun:
    """Log both runs; those not sent stay below `folder`, in a folder named after the bot.

    Returns an empty TrackedRun where tracking is off or fails: it never raises.
    """
    if not settings.tracking:
        return TrackedRun()
    logger = _RunLogger(
        training.bot.name, folder / training.bot.name, settings, timeouts or Timeouts(), outage
    )
    # Any error is swallowed here: tracking must never cost a bot its release.
    try:
        specs = run_specs(training, read_tables(), with_texts=settings.wandb_texts)
        preprocess, train = [logger.record(spec) for spec in specs]
    except Exception as error:  # noqa: BLE001  (wandb raises whatever its threads meet)
        _log.warning(
            "@%s: tracking failed (%s): continuing without it",
            training.bot, plain_error(error, settings),
        )  # fmt: skip
        return TrackedRun()
    return TrackedRun(train.url, train.folder, train.id, preprocess_url=preprocess.url)


@dataclass
class _RunLogger:
    """Logs a bot's runs, each in a folder of its own: online until that fails, then offline."""

    bot: str
    folder: Path
    settings: Settings
    timeouts: Timeouts
    outage: Outage
    started: float = field(default_factory=time.monotonic)
    is_offline: bool = False
    has_begun: bool = False

    def record(self, spec: RunSpec) -> TrackedRun:
        # The offline run keeps the id, so that sending it completes what has arrived already.
        id_ = _new_id(spec)
        if self.settings.wandb_api_key and not self.is_offline and not self.outage.is_ongoing:
            begun = time.monotonic()
            try:
                return self._online(spec, id_)
            except Exception as error:  # noqa: BLE001  (as above)
                self._go_offline(error, time.monotonic() - begun)
                shutil.rmtree(self.folder / id_, ignore_errors=True)
                # wandb keeps the id of a run that failed to start reserved.
                id_ = id_ if self.has_begun else _new_id(spec)
        self._log(spec, id_, online=False)
        return TrackedRun(None, str(self.folder / id_), id_)

    def _go_offline(self, error: Exception, seconds: float) -> None:
        self.is_offline = True
        if seconds > SLOW:
            self.outage.begin()
        _log.warning(
            "@%s: tracking online failed after %.0f s (%s): `huggingtweets sync` sends it later",
            self.bot, seconds, plain_error(error, self.settings),
        )  # fmt: skip

    def _online(self, spec: RunSpec, id_: str) -> TrackedRun:
        run = self._log(spec, id_, online=True)
        if not self._has_arrived(run):
            return TrackedRun(run.url, str(self.folder / id_), id_)
        shutil.rmtree(self.folder / id_, ignore_errors=True)
        return TrackedRun(run.url, None, id_)

    def _log(self, spec: RunSpec, id_: str, *, online: bool) -> wandb.Run:
        with wandb_confined_to(self.folder / id_), self._run(spec, id_, online=online) as run:
            for artifact_spec in spec.used:
                self._log_input(run, artifact_spec, online=online)
            _log_figures(run, spec)
            artifact = run.log_artifact(_artifact(spec.made))
            if online:
                artifact.wait(timeout=self._time_left())
        return run

    @contextmanager
    def _run(self, spec: RunSpec, id_: str, *, online: bool) -> Iterator[wandb.Run]:
        import wandb

        timeouts = replace(self.timeouts, step=self._time_left()) if online else None
        self.has_begun = False
        run = wandb.init(
            id=id_,
            project=self.settings.wandb_project,
            entity=self.settings.wandb_entity,
            name=spec.name,
            job_type=spec.job,
            config=dict(spec.config),
            reinit="create_new",
            settings=run_settings(self.folder / id_, self.settings, timeouts),
        )
        self.has_begun = True
        try:
            yield run
        except BaseException:
            with suppress(TimeoutError):  # the first error is the one to report
                run.finish(exit_code=1)
            raise
        run.finish()

    def _log_input(self, run: wandb.Run, artifact_spec: ArtifactSpec, *, online: bool) -> None:
        """Log an artifact as an input of the run.

        This is what `run.use_artifact` does; but that waits without a limit, and fails offline.
        """
        artifact = run._log_artifact(  # noqa: SLF001
            _artifact(artifact_spec), is_user_created=True, use_after_commit=True
        )
        if online:
            artifact.wait(timeout=self._time_left())

    def _has_arrived(self, run: wandb.Run) -> bool:
        """Whether the service has the finished run: wandb does not raise when curves are lost."""
        api = run._public_api()  # noqa: SLF001  (has the run's key and timeouts)
        state = api.run(run.path).state
        if state != "finished":
            _log.warning(
                "@%s: %s is %s: complete it with `huggingtweets sync`", self.bot, run.url, state
            )
        return bool(state == "finished")

    def _time_left(self) -> int:
        left = self.started + self.timeouts.total - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"not done after {self.timeouts.total:.0f} s")
        return ceil(min(left, self.timeouts.step))


def _new_id(spec: RunSpec) -> str:
    return f"{spec.job}-{secrets.token_hex(4)}"


def _artifact(artifact_spec: ArtifactSpec) -> wandb.Artifact:
    import wandb

    artifact = wandb.Artifact(
        artifact_spec.name, type=artifact_spec.kind, metadata=dict(artifact_spec.facts)
    )
    for name, data in artifact_spec.files().items():
        with artifact.new_file(name, mode="wb") as stream:
            stream.write(data)
    if artifact_spec.reference:
        # The files are published there only later, so W&B cannot compute checksums now.
        artifact.add_reference(artifact_spec.reference, name="model", checksum=False)
    return artifact


def _log_figures(run: wandb.Run, spec: RunSpec) -> None:
    import wandb

    if spec.curves:
        run.define_metric("tokens", hidden=True)
        run.define_metric("*", step_metric="tokens")
    for row in spec.curves:
        run.log(dict(row))
    if spec.predictions:
        rows = [list(pair) for pair in spec.predictions]
        run.log({"predictions": wandb.Table(columns=["Input", "Prediction"], data=rows)})
    run.summary.update(dict(spec.summary))
