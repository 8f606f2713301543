"""A clock for the X client that tests drive, so that no test waits."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import SecretStr

from tasks.sources.pace import Pace, Timeouts
from tasks.sources.x_api.client import XApiClient
from tests.servers.x_api import TOKEN, XApi

START = 1_900_000_000.0


@dataclass
class Clock:
    """Time that passes only by sleeping. counted: the seconds left that were shown."""

    now: float = START
    slept: list[float] = field(default_factory=list)
    counted: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def pace(self) -> Pace:
        return Pace(lambda: self.now, self.sleep, lambda: 0.5, self.counted.append)


def client_of(
    api: XApi, clock: Clock | None = None, timeouts: Timeouts | None = None
) -> XApiClient:
    """The real client, tweepy in it, that asks the stand-in."""
    pace = (clock or Clock()).pace()
    return XApiClient(SecretStr(TOKEN), api.url, pace=pace, timeouts=timeouts)
