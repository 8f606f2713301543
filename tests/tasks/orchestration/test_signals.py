"""Signals to real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from prefect.exceptions import TerminationSignal
from prefect.utilities.engine import capture_sigterm

from tasks.core import interruption
from tasks.orchestration.signals import EXIT_CODE, answer_signals_again, stop_on_signals

PROGRAM = """
import sys, threading, time
from tasks.core import interruption
from tasks.orchestration import signals

signals.PATIENCE = float(sys.argv[2])

def work():
    while not (sys.argv[1] == "obedient" and interruption.stop_requested()):
        time.sleep(0.01)
    print("stored", flush=True)

with signals.stop_on_signals(lambda: print("left", flush=True)):
    thread = threading.Thread(target=work)
    thread.start()
    print("ready", flush=True)
    thread.join()
print("ended", flush=True)
"""


def outcome(kind: str, patience: float, *signals: signal.Signals) -> tuple[list[str], int]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", PROGRAM, kind, str(patience)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for number in signals:
            process.send_signal(number)
            time.sleep(0.2)
        said = process.stdout.read().split()
    return said, process.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_work_that_looks_is_ended_in_order(number: signal.Signals) -> None:
    assert outcome("obedient", 30, number) == (["stored", "ended"], 0)


def test_work_that_does_not_look_is_ended_all_the_same() -> None:
    assert outcome("deaf", 0.5, signal.SIGINT) == (["left"], EXIT_CODE)


def test_a_second_signal_ends_at_once() -> None:
    assert outcome("deaf", 60, signal.SIGINT, signal.SIGINT) == ([], EXIT_CODE)


@pytest.mark.parametrize("takes_it_back", [True, False])
def test_within_a_subflow_of_prefect_the_handler_is_taken_back(takes_it_back: bool) -> None:
    def subflow() -> None:
        with capture_sigterm():
            if takes_it_back:
                answer_signals_again()
            signal.raise_signal(signal.SIGTERM)

    with stop_on_signals(lambda: None):
        ours = signal.getsignal(signal.SIGTERM)
        if takes_it_back:
            subflow()
            assert interruption.stop_requested()
        else:  # why it is needed; Prefect raises, and then signals the process once more
            with pytest.raises(TerminationSignal):
                subflow()
        assert signal.getsignal(signal.SIGTERM) is ours


def test_other_threads_and_later_code_have_the_handlers_of_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_on_signals(lambda: None):
        assert signal.getsignal(signal.SIGINT) is not before
        signal.raise_signal(signal.SIGINT)
        assert interruption.stop_requested()
    assert signal.getsignal(signal.SIGINT) is before

    def elsewhere() -> None:
        with stop_on_signals(lambda: None):
            assert signal.getsignal(signal.SIGINT) is before

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
