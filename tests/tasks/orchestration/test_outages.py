"""What is under way while the Prefect server is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import pytest
from prefect import task
from prefect.concurrency._asyncio import ConcurrencySlotAcquisitionError
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.core import interruption
from tasks.core.errors import Interrupted
from tasks.core.records import Progress
from tasks.orchestration.limits import _release
from tasks.orchestration.outages import (
    RETRY_IN_OUTAGE,
    is_unreachable,
    server_error,
    wait_for_server,
)
from tasks.orchestration.progress import _draw

REQUEST = httpx.Request("GET", "http://127.0.0.1/api")


def answered(code: int) -> httpx.HTTPStatusError:
    return httpx.HTTPStatusError("no", request=REQUEST, response=httpx.Response(code))


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (httpx.ConnectError("refused"), True),
        (httpx.ReadTimeout("slow"), True),
        (answered(503), True),
        (answered(500), False),
        (answered(401), False),
        (ValueError("ours"), False),
        (ConcurrencySlotAcquisitionError("there is no such limit"), False),
        (caused(ConcurrencySlotAcquisitionError("no"), httpx.ConnectError("refused")), True),
        (caused(ConcurrencySlotAcquisitionError("no"), answered(404)), False),
    ],
)
def test_what_is_of_a_server_that_is_away(error: Exception, *, away: bool) -> None:
    assert is_unreachable(error) is away


def test_what_came_of_the_server_at_all() -> None:
    refused = answered(500)
    assert server_error(caused(ValueError("no"), refused)) is refused
    assert server_error(ValueError("ours")) is None


def silent_for(times: int, error: Exception) -> list[Exception]:
    return [error] * times


def ask(silence: list[Exception]) -> str:
    if silence:
        raise silence.pop()
    return "well"


def test_it_is_asked_again_until_it_answers(caplog: pytest.LogCaptureFixture) -> None:
    silence = silent_for(3, httpx.ConnectError("refused"))
    assert wait_for_server(lambda: ask(silence), pause=0.01) == "well"
    assert caplog.text.count("does not answer (ConnectError('refused'))") == 3


def test_it_is_not_waited_for_for_ever_nor_where_it_refuses() -> None:
    with pytest.raises(httpx.HTTPStatusError):
        wait_for_server(lambda: ask(silent_for(1, answered(401))))
    silence = silent_for(1000, httpx.ConnectError("refused"))
    with pytest.raises(httpx.ConnectError):
        wait_for_server(lambda: ask(silence), longest=0.05, pause=0.01)


@pytest.mark.usefixtures("prefect_server")
def test_a_task_that_tells_the_server_something_is_tried_again() -> None:
    silence = silent_for(2, httpx.ConnectError("refused"))

    @task(**RETRY_IN_OUTAGE | {"retry_delay_seconds": 0.01})
    def tell() -> str:
        return ask(silence)

    assert tell() == "well"
    silence[:] = silent_for(2, answered(401))
    with pytest.raises(httpx.HTTPStatusError):
        tell()
    assert len(silence) == 1


def test_training_goes_on_though_its_bar_cannot_be_drawn(caplog: pytest.LogCaptureFixture) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        _draw(uuid4(), 50.0, Progress(1, 2, 3.0, 4.0, None, 5.0))
    assert "does not answer" in caplog.text
    assert "training goes on" in caplog.text


def test_slots_that_cannot_be_given_back_end_with_their_lease(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @contextmanager
    def slots(error: Exception) -> Iterator[None]:
        yield
        raise error

    away, refused = slots(httpx.ConnectError("refused")), slots(answered(401))
    away.__enter__()
    _release(away, ["bot-ada"])
    refused.__enter__()
    with pytest.raises(httpx.HTTPStatusError):
        _release(refused, ["bot-ada"])
    assert "the slots ['bot-ada'] end with their lease" in caplog.text


def test_whoever_waits_for_a_server_can_be_stopped():
    interruption.request_stop()
    silence = silent_for(99, httpx.ConnectError("refused"))
    with pytest.raises(Interrupted):
        wait_for_server(lambda: ask(silence))
