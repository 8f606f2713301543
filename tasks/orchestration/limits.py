"""Limits that all flows and workers share, since the Prefect server keeps them.

Two kinds: a rate, which lets so many requests a second begin; and slots, of which so many are
held at a time. A slot whose holder was killed is free again when its lease of a minute ends.

Training takes a place among the processes of its machine as well, and where a command has started
a server for itself, there are only such places.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.concurrency.sync import concurrency, rate_limit
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import get_current_settings

from tasks.core.names import Bot
from tasks.core.settings import settings
from tasks.orchestration.machine_places import machine_place
from tasks.orchestration.outages import skip_if_unreachable, wait_for_server

# Requests a second: X allows an app 10,000 in 15 minutes, Bluesky's public host 3,000 in 5. The
# Community Archive names no limit: it lives on donations, and a request brings 1,000 posts.
REQUESTS_A_SECOND = {"community_archive": 2, "x_api": 11, "bluesky": 10}
# Accounts of one service that are read at a time: more would only wait for the rate.
SCRAPES = 4
# Seconds; the shortest that Prefect takes. A holder renews it, unless it is killed.
LEASE = 60.0
PUSHES = "hub-pushes"
# In the environment of processes whose PREFECT_API_URL is of a server that ends with them; Prefect
# sets it in such servers themselves.
TEMPORARY_SERVER = "PREFECT__SERVER_EPHEMERAL"
MACHINE = "train-on-"  # with the machine's name, the name of its limit
# A process trains one bot at a time, whatever TRAININGS is: all its trainings share one base in
# memory. A second place would be held for nothing, and another process would wait for it.
_training = threading.Lock()
_ensured: set[Limit] = set()


@dataclass(frozen=True)
class Limit:
    """A limit on the server.

    places: how many may be held at a time.
    a_second: of a rate, how many places are free again after a second; else 0: they are given back.
    follows_setting: whether one that exists is changed to `places`; else it is the operator's.
    """

    name: str
    places: int
    a_second: float = 0.0
    follows_setting: bool = False


def limits_of(service: str) -> tuple[Limit, Limit]:
    """The rate and the slots of a service."""
    rate = REQUESTS_A_SECOND[service]
    return Limit(rate_name(service), rate, float(rate)), Limit(scrapes_name(service), SCRAPES)


def ensure_limits(service: str) -> None:
    """Create the limits of a service where the server has none."""
    _ensure(*limits_of(service))


def permit(service: str) -> None:
    """Wait for a place among the requests of all workers; a missing limit is an error."""
    wait_for_server(lambda: rate_limit(rate_name(service), strict=True))


@contextmanager
def scraping_place(service: str) -> Iterator[None]:
    """Hold one of the places for accounts of a service; a missing limit is an error."""
    _, accounts = limits_of(service)
    with _slot(accounts):
        yield


@contextmanager
def bot_place(bot: Bot) -> Iterator[None]:
    """Hold a bot, so that nobody else trains it, publishes it or prunes its releases."""
    with _everywhere(Limit(f"bot-{bot}", 1)):
        yield


@contextmanager
def training_place() -> Iterator[None]:
    """Hold one of this machine's places for training; take it inside of the bot's, never before.

    How many places there are is a setting, and so is the machine's name.
    """
    with _training, _everywhere(_machine_limit()):
        yield


@contextmanager
def _everywhere(limit: Limit) -> Iterator[None]:
    """Hold a place among all machines, where there is a server, and among this one's processes."""
    with ExitStack() as stack:
        if has_server():
            _ensure(limit)
            stack.enter_context(_server_slots(limit))
        stack.enter_context(_local_place(limit))
        yield


def _machine_limit() -> Limit:
    # On the server the setting wins over what an operator has changed there: the machine's own
    # places follow it as well, so that another number would only let processes wait for nothing.
    return Limit(f"{MACHINE}{settings().machine}", settings().trainings, follows_setting=True)


@contextmanager
def publishing_place(pushes: int) -> Iterator[None]:
    """Hold one of the places for pushes to the Hub, which limits commits and bandwidth."""
    limit = Limit(PUSHES, pushes)
    if has_server():
        _ensure(limit)
    with _slot(limit):
        yield


def has_server() -> bool:
    """Whether there is a server that outlives this process, and so ends the leases of the dead."""
    return get_current_settings().api.url is not None and TEMPORARY_SERVER not in os.environ


def _slot(limit: Limit) -> AbstractContextManager[None]:
    return _server_slots(limit) if has_server() else _local_place(limit)


def _local_place(limit: Limit) -> AbstractContextManager[None]:
    return machine_place(get_current_settings().home / "places", limit.name, limit.places)


@contextmanager
def _server_slots(*limits: Limit) -> Iterator[None]:
    # An outage must not end an hour of training: neither when a slot is taken, nor when its lease
    # is renewed, nor when it is given back.
    names = [limit.name for limit in limits]
    slots = wait_for_server(partial(_acquire, names))
    try:
        yield
    finally:
        _release(slots, names)


def _acquire(names: list[str]) -> AbstractContextManager[None]:
    slots = concurrency(
        names, strict=True, lease_duration=LEASE, raise_on_lease_renewal_failure=False
    )
    slots.__enter__()
    return slots


def _release(slots: AbstractContextManager[None], names: list[str]) -> None:
    with skip_if_unreachable(f"the slots {names} end with their lease"):
        slots.__exit__(None, None, None)


def rate_name(service: str) -> str:
    """The name of a service's rate on the server, as operators see it."""
    return service.replace("_", "-")


def scrapes_name(service: str) -> str:
    """The name of a service's slots on the server, as operators see it."""
    return f"{rate_name(service)}-accounts"


def create_limit(limit: Limit) -> bool:
    """Create a limit where the server has none of its name; returns whether it had none."""
    with get_client(sync_client=True) as client:
        return _create(client, limit)


def _ensure(*limits: Limit) -> None:
    """Create the limits that this process has not asked for before: each call takes a while."""
    new = [limit for limit in limits if limit not in _ensured]
    if new:
        wait_for_server(partial(_ensure_all, new))


def _ensure_all(limits: Sequence[Limit]) -> None:
    with get_client(sync_client=True) as client:
        for limit in limits:
            if not _create(client, limit) and limit.follows_setting:
                client.upsert_global_concurrency_limit_by_name(limit.name, limit.places)
            _ensured.add(limit)


def _create(client: SyncPrefectClient, limit: Limit) -> bool:
    wanted = GlobalConcurrencyLimitCreate(
        name=limit.name, limit=limit.places, slot_decay_per_second=limit.a_second
    )
    try:
        client.create_global_concurrency_limit(wanted)
    except ObjectAlreadyExists:
        return False
    return True
