"""Limits that all flows and workers share, since the Prefect server keeps them.

Two kinds: a rate, which lets so many requests a second begin; and slots, of which so many are
held at a time. A slot whose holder was killed is free again when its lease of a minute ends.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.concurrency.sync import concurrency, rate_limit
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from tasks.names import Bot

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
    rate_limit(rate_name(service), strict=True)


@contextmanager
def scraping(service: str) -> Iterator[None]:
    """Hold one of the places for accounts of a service; a missing limit is an error."""
    with _held([scrapes_name(service)]):
        yield


@contextmanager
def training_place(bot: Bot) -> Iterator[None]:
    """Hold this machine's one place for training, and the bot, so that nobody else trains it."""
    machine = f"train-on-{platform.node()}"
    _make_once(Limit(machine, 1), Limit(bot_name(bot), 1))
    # The threads of this process take turns here first: they need not ask the server for that.
    with _training, _held([machine, bot_name(bot)]):
        yield


@contextmanager
def publishing_place(at_once: int) -> Iterator[None]:
    """Hold one of the places for pushes to the Hub, which limits commits and bandwidth."""
    _make_once(Limit(PUSHES, at_once))
    with _held([PUSHES]):
        yield


def _make_once(*limits: Limit) -> None:
    """Make what this process has not made sure of yet: asking costs more than it seems."""
    unknown = [limit for limit in limits if limit.name not in _known]
    if unknown:
        with get_client(sync_client=True) as client:
            for limit in unknown:
                _made(client, limit)
                _known.add(limit.name)


@contextmanager
def _held(names: list[str]) -> Iterator[None]:
    # A server that is away for a moment must not end an hour of training.
    with concurrency(
        names, strict=True, lease_duration=LEASE, raise_on_lease_renewal_failure=False
    ):
        yield


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
    try:
        client.read_global_concurrency_limit_by_name(limit.name)
    except ObjectNotFound:
        wanted = GlobalConcurrencyLimitCreate(
            name=limit.name, limit=limit.places, slot_decay_per_second=limit.a_second
        )
        try:
            client.create_global_concurrency_limit(wanted)
        except ObjectAlreadyExists:
            return False  # another worker was faster
        return True
    return False
