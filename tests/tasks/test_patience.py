"""What is under way while the Prefect server is away."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest
from prefect import task
from prefect.artifacts import update_progress_artifact
from prefect.concurrency._asyncio import ConcurrencySlotAcquisitionError
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.patience import PATIENT, is_away, of_server, patiently, unless_away

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
    assert is_away(error) is away


def test_what_came_of_the_server_at_all() -> None:
    refused = answered(500)
    assert of_server(caused(ValueError("no"), refused)) is refused
    assert of_server(ValueError("ours")) is None


def silent_for(times: int, error: Exception) -> list[Exception]:
    return [error] * times


def ask(silence: list[Exception]) -> str:
    if silence:
        raise silence.pop()
    return "well"


def test_it_is_asked_again_until_it_answers(caplog: pytest.LogCaptureFixture) -> None:
    silence = silent_for(3, httpx.ConnectError("refused"))
    assert patiently(lambda: ask(silence), pause=0.01) == "well"
    assert caplog.text.count("does not answer (ConnectError('refused'))") == 3


def test_it_is_not_waited_for_for_ever_nor_where_it_refuses() -> None:
    with pytest.raises(httpx.HTTPStatusError):
        patiently(lambda: ask(silent_for(1, answered(401))))
    silence = silent_for(1000, httpx.ConnectError("refused"))
    with pytest.raises(httpx.ConnectError):
        patiently(lambda: ask(silence), patience=0.05, pause=0.01)


@pytest.mark.usefixtures("prefect_server")
def test_a_task_that_tells_the_server_something_is_tried_again() -> None:
    silence = silent_for(2, httpx.ConnectError("refused"))

    @task(**PATIENT | {"retry_delay_seconds": 0.01})
    def tell() -> str:
        return ask(silence)

    assert tell() == "well"
    silence[:] = silent_for(2, answered(401))
    with pytest.raises(httpx.HTTPStatusError):
        tell()
    assert len(silence) == 1


def test_what_a_server_that_is_away_need_not_hear_is_given_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        unless_away("training goes on"),
    ):
        update_progress_artifact(uuid4(), progress=50.0)
    assert "does not answer" in caplog.text
    assert "training goes on" in caplog.text


def test_a_server_that_refuses_is_not_away() -> None:
    with pytest.raises(httpx.HTTPStatusError), unless_away("nothing goes on"):
        raise answered(401)
