"""How a flow ends when it is asked to, by Ctrl-C, the end of its worker, or its cancellation."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import TerminationSignal
from prefect.runtime import deployment, flow_run
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tasks.core import interruption
from tasks.operations.retrain_record import record_interrupted
from tasks.orchestration.signals import stop_on_signals

_TIMEOUT = 5.0  # seconds that the server has to answer; a worker kills what it cancels after 30
_log = logging.getLogger("huggingtweets")


@contextmanager
def stoppable() -> Iterator[None]:
    """Within the block, which brings bots up to date, signals stop them in order.

    A run of a deployment then ends as Prefect ends one that was terminated, so that it is taken up
    again, unless it was cancelled; in a terminal it ends with its outcomes.
    """
    with stop_on_signals(_leave):
        yield
    if interruption.stop_requested() and deployment.id and not _is_cancelled():
        raise TerminationSignal(signal.SIGTERM)


def _leave() -> None:
    record_interrupted()
    if _is_cancelled():
        os._exit(0)  # with any other status the run counts as crashed, and starts again


def _is_cancelled() -> bool:
    """Whether this worker's run was cancelled: the server knows, the signal is the same SIGTERM."""
    if flow_run.id is None:
        return False
    try:
        with (
            temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
            get_client(httpx_settings={"timeout": _TIMEOUT}, sync_client=True) as client,
        ):
            state = client.read_flow_run(UUID(flow_run.id)).state
    except httpx.HTTPError as error:
        _log.warning("taken for stopped, not for cancelled: the server does not answer: %s", error)
        return False
    return state is not None and (state.is_cancelling() or state.is_cancelled())
