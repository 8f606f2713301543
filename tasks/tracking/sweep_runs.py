"""A sweep in Weights & Biases: one run with a table of its trials."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.core.settings import Settings
from tasks.tracking.wandb_environment import Timeouts, plain_error, run_settings, wandb_confined_to

_log = logging.getLogger("huggingtweets")


def track_trials(
    name: str, rows: Sequence[Mapping[str, Any]], *, folder: Path, settings: Settings
) -> str | None:
    """Log the rows of a sweep, the best first; returns the run's page, or None offline.

    Online where a key is set, else (or when that fails) offline below `folder`. Never raises.
    """
    if not settings.tracking or not rows:
        return None
    for online in (True, False) if settings.wandb_api_key else (False,):
        # As for bots: tracking must never cost a sweep its result.
        try:
            return _log_run(name, rows, folder / f"sweep-{secrets.token_hex(4)}", settings, online)
        except Exception as error:  # noqa: BLE001  (wandb raises whatever its threads meet)
            where = "online" if online else "offline"
            _log.warning("%s: tracking %s failed (%s)", name, where, plain_error(error, settings))
    return None


def _log_run(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    folder: Path,
    settings: Settings,
    online: bool,
) -> str | None:
    import wandb

    with wandb_confined_to(folder):
        run = wandb.init(
            project=settings.wandb_project,
            entity=settings.wandb_entity,
            name=name,
            job_type="sweep",
            reinit="create_new",
            settings=run_settings(folder, settings, Timeouts() if online else None),
        )
        try:
            cells = [[row[column] for column in rows[0]] for row in rows]
            run.log({"trials": wandb.Table(columns=list(rows[0]), data=cells)})
            best = {key: value for key, value in rows[0].items() if isinstance(value, int | float)}
            run.summary.update(best)
        finally:
            run.finish()
        return str(run.url) if online else None
