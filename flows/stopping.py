"""How a flow ends when it is asked to, by Ctrl-C or by the end of its worker."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.exceptions import TerminationSignal
from prefect.runtime import deployment

from tasks.core import interruption
from tasks.operations.retrain_record import record_interrupted
from tasks.orchestration.signals import stop_on_signals


@contextmanager
def stoppable() -> Iterator[None]:
    """Within the block, which brings bots up to date, signals stop them in order.

    A run of a deployment then ends as Prefect ends one that was terminated, so that it is taken up
    again; in a terminal it ends with its outcomes.
    """
    with stop_on_signals(record_interrupted):
        yield
    if interruption.stop_requested() and deployment.id:
        raise TerminationSignal(signal.SIGTERM)
