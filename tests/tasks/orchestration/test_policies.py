"""What is tried again, and what the log says of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from prefect import task
from prefect.client.schemas.objects import TaskRun
from prefect.states import Failed

from tasks.core.errors import BadInput, NetworkTrouble, TransientError
from tasks.orchestration.policies import is_transient


@task
def some_task() -> None:
    """A task that a state can belong to."""


def worth_it(error: Exception) -> bool:
    run = TaskRun.model_construct(task_key="some_task", dynamic_key="0")
    return is_transient(some_task, run, Failed(data=error))


def test_trouble_on_the_way_is_tried_again_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="huggingtweets")
    assert worth_it(NetworkTrouble("the Hub cannot be reached"))
    assert caplog.messages == ["the Hub cannot be reached (trying again soon)"]


def test_what_stays_wrong_or_names_a_time_is_not(caplog: pytest.LogCaptureFixture) -> None:
    later = TransientError("no more requests", next_attempt_at=datetime.now(UTC))
    for error in (BadInput("no such file"), ValueError("a fault"), later):
        assert not worth_it(error)
    assert not caplog.messages
