"""Limits that all flows and workers share, since the Prefect server keeps them.

Two kinds: a rate, which lets so many requests a second begin; and slots, of which so many are
held at a time. A slot whose holder was killed is free again when its lease of a minute ends.

Training takes a place among the processes of its machine as well, and where a command has started
a server for itself, there are only such places.
"""

from __future__ import annotations

import platform
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
from tasks.orchestration.machine_places import place
from tasks.orchestration.outages import patiently, unless_away

# Requests a second: X allows an app 10,000 in 15 minutes, Bluesky's public host 3,000 in 5.
REQUESTS_A_SECOND = {"x_api": 11, "bluesky": 10}
# Accounts of one service that are read at a time: more would only wait for the rate.
SCRAPES = 4
# Seconds; the shortest that Prefect takes. A holder renews it, unless it is killed.
LEASE = 60.0
PUSHES = "hub-pushes"
_training = threading.Lock()
_known: set[str] = set()


@dataclass(frozen=True)
class Limit:
    """A limit on the server.

    places: how many may be held at a time.
    a_second: of a rate, how many places are free again after a second; else 0: they are given back.
    """

    name: str
    places: int
    a_second: float = 0.0


def limits_of(service: str) -> tuple[Limit, Limit]:
    """The rate and the slots of a service."""
    rate = REQUESTS_A_SECOND[service]
    return Limit(rate_name(service), rate, float(rate)), Limit(scrapes_name(service), SCRAPES)


def make_limit(service: str) -> None:
    """Make the limits of a service where the server has none; an operator's own are left alone."""
    _make_once(*limits_of(service))


def permit(service: str) -> None:
    """Wait for a place among the requests of all workers; a missing limit is an error."""
    patiently(lambda: rate_limit(rate_name(service), strict=True))


@contextmanager
def scraping(service: str) -> Iterator[None]:
    """Hold one of the places for accounts of a service; a missing limit is an error."""
    _, accounts = limits_of(service)
    with _slot(accounts):
        yield


@contextmanager
def training_place(bot: Bot) -> Iterator[None]:
    """Hold this machine's one place for training, and the bot, so that nobody else trains it."""
    machine, own = Limit(f"train-on-{platform.node()}", 1), Limit(bot_name(bot), 1)
    # The threads of this process take turns here first: they need not ask the server for that.
    with _training, ExitStack() as stack:
        if _has_server():
            _make_once(machine, own)
            stack.enter_context(_held(machine, own))
        stack.enter_context(_place(machine))
        stack.enter_context(_place(own))
        yield


@contextmanager
def publishing_place(at_once: int) -> Iterator[None]:
    """Hold one of the places for pushes to the Hub, which limits commits and bandwidth."""
    pushes = Limit(PUSHES, at_once)
    if _has_server():
        _make_once(pushes)
    with _slot(pushes):
        yield


def _has_server() -> bool:
    """Whether there is a server that outlives this process, and so ends the leases of the dead."""
    return get_current_settings().api.url is not None


def _slot(limit: Limit) -> AbstractContextManager[None]:
    return _held(limit) if _has_server() else _place(limit)


def _place(limit: Limit) -> AbstractContextManager[None]:
    return place(get_current_settings().home / "places", limit.name, limit.places)


def _make_once(*limits: Limit) -> None:
    """Make what this process has not made sure of yet: asking costs more than it seems."""
    unknown = [limit for limit in limits if limit.name not in _known]
    if unknown:
        patiently(partial(_make_all, unknown))


def _make_all(limits: Sequence[Limit]) -> None:
    with get_client(sync_client=True) as client:
        for limit in limits:
            _made(client, limit)
            _known.add(limit.name)


@contextmanager
def _held(*limits: Limit) -> Iterator[None]:
    # A server that is away for a while must not end an hour of training: neither when a slot is
    # taken, nor when its lease is renewed, nor when it is given back.
    names = [limit.name for limit in limits]
    slots = patiently(partial(_entered, names))
    try:
        yield
    finally:
        _given_back(slots, names)


def _entered(names: list[str]) -> AbstractContextManager[None]:
    slots = concurrency(
        names, strict=True, lease_duration=LEASE, raise_on_lease_renewal_failure=False
    )
    slots.__enter__()
    return slots


def _given_back(slots: AbstractContextManager[None], names: list[str]) -> None:
    with unless_away(f"the slots {names} end with their lease"):
        slots.__exit__(None, None, None)


def bot_name(bot: Bot) -> str:
    """The name of a bot's own slot on the server."""
    return f"bot-{bot}"


def rate_name(service: str) -> str:
    """The name of a service's rate on the server, as operators see it."""
    return service.replace("_", "-")


def scrapes_name(service: str) -> str:
    """The name of a service's slots on the server, as operators see it."""
    return f"{rate_name(service)}-accounts"


def make(limit: Limit) -> bool:
    """Make a limit where the server has none of its name; says whether it had none."""
    with get_client(sync_client=True) as client:
        return _made(client, limit)


def _made(client: SyncPrefectClient, limit: Limit) -> bool:
    wanted = GlobalConcurrencyLimitCreate(
        name=limit.name, limit=limit.places, slot_decay_per_second=limit.a_second
    )
    try:
        client.create_global_concurrency_limit(wanted)
    except ObjectAlreadyExists:
        return False
    return True
