"""Removes what nothing needs: as a night's last task, and from machines that only train."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings

from tasks.core.errors import HuggingtweetsError
from tasks.core.settings import settings
from tasks.forget import results_folder
from tasks.operations.stale_results import stale_files
from tasks.operations.tidying import Freed, tidy, tidy_tracked_runs
from tasks.orchestration.limits import has_server
from tasks.orchestration.outages import skip_if_unreachable
from tasks.orchestration.policies import UNCACHED
from tasks.orchestration.stale_limits import remove_limits_of_gone_machines
from tasks.storage import storage_root
from tasks.tracking.wandb_environment import tracking_folder

log = logging.getLogger("huggingtweets")


@task(name="tidy", task_run_name="tidy up", **UNCACHED)
def tidy_up() -> Freed:
    """Remove what nothing needs; returns what was freed."""
    return tidy_everywhere(datetime.now(UTC))


def tidy_everywhere(now: datetime) -> Freed:
    """Tidy up the storage, this machine and the Prefect server. Raises StorageUnusable, OSError."""
    remove_unused_limits(now)
    return tidy(storage_root(), now, tidy_this_machine(now))


def remove_unused_limits(now: datetime) -> None:
    """Remove the limits of machines that trained nothing for as long as runs are kept.

    Only where there is a server that outlives this process.
    """
    if has_server():
        with skip_if_unreachable("its limits stay"), get_client(sync_client=True) as client:
            remove_limits_of_gone_machines(client, now - _runs_kept())


def tidy_this_machine(now: datetime) -> Freed:
    """Remove old results and lost messages of Prefect, and old tracked runs. Raises OSError."""
    freed = Freed.nothing()
    for path in stale_files(get_current_settings().home, results_folder(), now - _runs_kept()):
        freed.add("results of Prefect", [path.stat().st_size])
        path.unlink(missing_ok=True)
    tidy_tracked_runs(tracking_folder(storage_root(), settings()), now, freed)
    return freed


def tidy_here() -> None:
    """As `tidy_this_machine`, for machines that only train; never raises."""
    try:
        tidy_this_machine(datetime.now(UTC))
    except (HuggingtweetsError, OSError) as error:
        log.warning("this machine is not tidied up: %s", error)


def _runs_kept() -> timedelta:
    return timedelta(days=settings().keep_runs_days)
