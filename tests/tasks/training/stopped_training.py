"""A training that is stopped by a signal at random moments, and resumed each time.

    python -m tests.tasks.training.stopped_training SIGINT|SIGTERM FOLDER BASE TIMES

A process that is stopped must end by itself and in time, with the state of its training stored.
However often that happens, the checkpoint that comes of it is that of a training that ran through,
to the last bit. Prints how many were stopped in the middle, and how long the longest took to end.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

from tasks.core.errors import Interrupted
from tasks.core.records import MANIFEST, Base, Spec
from tasks.orchestration.signals import stop_on_signals
from tasks.storage import Storage, open_storage, sha256_of
from tasks.training.checkpoint import train_checkpoint
from tasks.training.resume import Resume
from tests.sample_posts import sentences

STOPPED = 130
IN_TIME = 10.0  # seconds that the end may take
POSTS = 300
KEY, STATES, FINGERPRINT = "checkpoints/alice/0123", "resume/alice/0123", "0123"


class Training:
    """A training of some seconds with a tiny base, in a storage of its own."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.storage: Storage = open_storage(str(folder))
        self.base = Base(id=str(base), folder=str(base), revision="tiny", origin="made in a test")

    def run(self) -> None:
        """Train to the end, or until a signal; resumes what is stored."""
        posts = sentences(POSTS)
        spec = Spec(epochs=6, evaluations=1, patience=100, precision="fp32", learning_rate=1e-4)
        resume = Resume(self.storage, STATES, FINGERPRINT, every_seconds=3600)
        with self.storage.new_folder(KEY) as folder:
            train_checkpoint(
                posts[20:], posts[:20], ["alice"] * (POSTS - 20), self.base, spec, folder,
                fingerprint=FINGERPRINT, uri=KEY, on_progress=lambda _: None, resume=resume,
            )  # fmt: skip
        self.storage.delete(STATES)

    def start(self) -> int:
        """The id of a process that runs it."""
        child = os.fork()
        if child:
            return child
        try:
            with stop_on_signals(lambda: None):
                self.run()
            os._exit(0)
        except (Interrupted, KeyboardInterrupt):
            os._exit(STOPPED)
        except BaseException:  # noqa: BLE001 - nothing may return into the parent's code
            traceback.print_exc()
            os._exit(1)

    @property
    def weights(self) -> str | None:
        """The digest of the checkpoint's weights, or None where there is no checkpoint."""
        if not self.storage.exists(f"{KEY}/{MANIFEST}"):
            return None
        return sha256_of(self.storage.local(f"{KEY}/model.safetensors"))

    def states(self) -> list[str]:
        """The stored states of the unfinished training."""
        return [Path(key).name for key in self.storage.folders(STATES)]


def main(name: str, folder: str, base: str, times: str) -> None:
    number, chance = signal.Signals[name], random.Random(0)
    whole = Training(Path(folder) / "whole", Path(base))
    begun = time.monotonic()
    assert ended(whole.start()) == 0
    seconds = time.monotonic() - begun
    training = Training(Path(folder) / "stopped", Path(base))
    stopped, finished, longest, before = 0, 0, 0.0, [""]
    for _ in range(int(times)):
        child = training.start()
        time.sleep(chance.uniform(0, seconds))
        begun = time.monotonic()
        os.kill(child, number)
        code = ended(child)
        longest = max(longest, time.monotonic() - begun)
        assert code in (0, STOPPED, -number), code
        stopped += code == STOPPED
        if code == 0:
            assert training.weights == whole.weights, "another model than without a stop"
            assert training.states() == []
            training.storage.delete(KEY)
            finished, before = finished + 1, [""]
        else:
            assert training.weights is None, "half a training is no checkpoint"
            assert max(training.states(), default="") >= before[-1], "a step back"
            before = training.states() or [""]
    assert ended(training.start()) == 0
    assert training.weights == whole.weights
    assert longest < IN_TIME, longest
    left = list(Path(training.storage.path).rglob(".draft-*"))
    assert not left, left
    print(  # noqa: T201
        f"{stopped} of {times} stopped in the middle, each within {longest:.1f} s; "
        f"{finished + 1} trainings finished, all as without a stop"
    )


def ended(child: int) -> int:
    """How a process has ended."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
