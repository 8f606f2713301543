"""Remove an account from everything that was made of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from prefect import task
from prefect.settings import get_current_settings

from tasks.core.errors import HuggingtweetsError
from tasks.core.names import Handle
from tasks.core.settings import settings
from tasks.orchestration.policies import ANEW
from tasks.removal.forgetting import Plan, Receipt, forget_account, plan_removal
from tasks.removal.inventory import Neighbour
from tasks.removal.prefect_server import PrefectServer, SilentServer
from tasks.removal.this_machine import ThisMachine
from tasks.storage import storage_root

log = logging.getLogger("huggingtweets")


@task(name="plan removal", task_run_name="what is kept of @{handle}", **ANEW)
def plan_forgetting(handle: Handle) -> Plan:
    """What would be removed; nothing is."""
    return plan_removal(storage_root(), handle, settings(), neighbours())


@task(name="forget", task_run_name="forget @{handle}", **ANEW)
def forget_everywhere(handle: Handle) -> Receipt:
    """Remove it all, note the opt-out, and leave a receipt."""
    now = datetime.now(UTC)
    return forget_account(storage_root(), handle, settings(), now, neighbours())


def plan_without_server(handle: Handle, url: str) -> Plan:
    """What would be removed, where the Prefect server at `url` does not answer."""
    return plan_removal(storage_root(), handle, settings(), neighbours(SilentServer(url)))


def forget_without_server(handle: Handle, url: str) -> Receipt:
    """Remove it all but what the Prefect server keeps, which does not answer at `url`."""
    asked = neighbours(SilentServer(url))
    return forget_account(storage_root(), handle, settings(), datetime.now(UTC), asked)


def clear_opted_out_here() -> None:
    """Remove what this machine keeps of accounts that were forgotten on another; never raises."""
    try:
        _this_machine().clear_opted_out()
    except (HuggingtweetsError, OSError) as error:
        log.warning("what this machine keeps of forgotten accounts is not removed yet: %s", error)


def neighbours(server: Neighbour | None = None) -> Sequence[Neighbour]:
    """Who keeps something of accounts for us; None: the server that answers."""
    return _this_machine(), server or PrefectServer(results_folder())


def _this_machine() -> ThisMachine:
    return ThisMachine(storage_root(), settings(), results_folder())


def results_folder() -> Path | None:
    """Where Prefect keeps what tasks returned, or None where that is no folder of this machine."""
    results = get_current_settings().results
    return None if results.default_storage_block else Path(results.local_storage_path)
