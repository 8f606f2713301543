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
from tasks.orchestration.policies import UNCACHED
from tasks.removal.account_removal import Plan, Receipt, plan_removal, remove_account
from tasks.removal.inventory import DataHolder
from tasks.removal.prefect_records import PrefectRecords, UnreachableServer
from tasks.removal.sites import Sites
from tasks.removal.this_machine import ThisMachine
from tasks.storage import storage_root

log = logging.getLogger("huggingtweets")


@task(name="plan removal", task_run_name="what is kept of @{handle}", **UNCACHED)
def plan_account_removal(handle: Handle) -> Plan:
    """What would be removed; removes nothing."""
    return plan_of(handle)


@task(name="forget", task_run_name="forget @{handle}", **UNCACHED)
def remove_everywhere(handle: Handle) -> Receipt:
    """Note the opt-out, remove everything, and store a receipt."""
    now = datetime.now(UTC)
    return remove_account(storage_root(), handle, settings(), now, data_holders())


def plan_of(handle: Handle) -> Plan:
    """What would be removed, without a task: the server that Prefect's settings name is asked."""
    return plan_removal(storage_root(), handle, settings(), data_holders())


def plan_without_server(handle: Handle, url: str) -> Plan:
    """What would be removed, where the Prefect server at `url` does not answer."""
    return plan_removal(storage_root(), handle, settings(), data_holders(UnreachableServer(url)))


def remove_without_server(handle: Handle, url: str) -> Receipt:
    """Remove everything but the records of the Prefect server at `url`, which does not answer."""
    holders = data_holders(UnreachableServer(url))
    return remove_account(storage_root(), handle, settings(), datetime.now(UTC), holders)


def remove_opted_out_here() -> None:
    """Remove what this machine holds of accounts that were removed on another; never raises."""
    try:
        _this_machine().remove_opted_out()
    except (HuggingtweetsError, OSError) as error:
        log.warning("data of removed accounts is still on this machine: %s", error)


def data_holders(server: DataHolder | None = None) -> Sequence[DataHolder]:
    """The holders of accounts' data beside the storage and the Hub.

    server: the Prefect server's; None for the one that Prefect's settings name.
    """
    sites = Sites(storage_root(), settings())
    return _this_machine(), sites, server or PrefectRecords(results_folder())


def _this_machine() -> ThisMachine:
    places = get_current_settings().home / "places"
    return ThisMachine(storage_root(), settings(), results_folder(), places)


def results_folder() -> Path | None:
    """Prefect's folder of task results, or None where it is not a folder of this machine."""
    results = get_current_settings().results
    return None if results.default_storage_block else Path(results.local_storage_path)
