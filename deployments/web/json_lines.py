"""The child's side of `ChildProcess`: commands from standard input, answers to standard output."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from tasks.core import interruption

Command = dict[str, Any]
Answer = Callable[[Command], None]


def answers() -> Answer:
    """What writes an answer; whatever else this process prints goes to standard error from now on.

    The standard output of libraries would break the lines.
    """
    sys.stdout.flush()
    out = os.fdopen(os.dup(1), "w", encoding="ascii", buffering=1)
    os.dup2(2, 1)
    lock = threading.Lock()

    def answer(message: Command) -> None:
        with lock:  # log lines come from several threads
            out.write(json.dumps(message) + "\n")

    return answer


def commands(on_end: Callable[[], object]) -> Iterator[Command]:
    """The commands, one after another, until standard input is closed.

    A command has an `id`, and `{"stop": id}` asks `tasks.core.interruption` for its end, but not
    for that of any other. on_end: called, from another thread, when standard input is closed.
    """
    waiting: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
    lock = threading.Lock()
    current = stopped = None

    def read() -> None:
        nonlocal stopped
        # Unbuffered: at the end of the process Python would wait for the buffer's lock.
        for line in open(0, "rb", buffering=0, closefd=False):  # noqa: SIM115
            command = json.loads(line)
            if "stop" not in command:
                waiting.put(command)
                continue
            with lock:
                stopped = command["stop"]
                if stopped == current:
                    interruption.request_stop()
        on_end()
        waiting.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (command := waiting.get()) is not None:
        with lock:
            current = command["id"]
            interruption.withdraw()
            if stopped == current:
                interruption.request_stop()
        yield command
