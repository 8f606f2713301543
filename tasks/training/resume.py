"""The state of an unfinished training, stored so that another process can resume it."""

from __future__ import annotations

import json
import logging
import platform
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tasks.core.errors import HuggingtweetsError
from tasks.core.records import MANIFEST

if TYPE_CHECKING:  # a GPU machine may have nothing to store with
    from tasks.storage import Storage

log = logging.getLogger("huggingtweets")

STATES_KEPT = 2
# Bytes a second, assumed until a state was timed: of 1.9 GB on two busy cores copying took 0.1 to
# 4 s, since its memory is fresh, and writing 2 to 3 s of a processor.
ASSUMED_SPEED = 0.5e9
_TENSORS = "state.safetensors"

# Tensors by name, and plain values.
State = tuple[Mapping[str, torch.Tensor], dict[str, Any]]
Snapshot = Callable[[], State]


@dataclass(frozen=True)
class Resume:
    """Where and how often the state of an unfinished training is stored.

    key: its folder below the storage root. fingerprint: of all that goes into the training; states
    of another are ignored. every_seconds: between two states, or longer, so that copying and
    writing take at most `max_share` of the time, if nothing of it could be done beside.
    """

    storage: Storage
    key: str
    fingerprint: str
    every_seconds: float = 60.0
    max_share: float = 0.02


class StateWriter:
    """Writes a training's states in a thread of its own, and finds the newest one.

    seconds: how long the training has waited for copies.
    """

    def __init__(self, resume: Resume) -> None:
        self._resume = resume
        self._copies: dict[str, torch.Tensor] = {}
        self._thread: threading.Thread | None = None
        self._last = time.monotonic()
        self._cost: float | None = None  # of the dearest state, in seconds of a processor
        self.seconds = 0.0

    def newest(self) -> State | None:
        """The newest state that can be read, or None. A damaged one is ignored."""
        storage = self._resume.storage
        for key in reversed(storage.folders(self._resume.key)):
            try:
                manifest = json.loads(storage.read(f"{key}/{MANIFEST}"))
                if manifest["fingerprint"] != self._resume.fingerprint:
                    continue
                with storage.folder(key) as folder:
                    return load_file(folder / _TENSORS), manifest["state"]
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                log.warning("ignoring unreadable training state %s: %s", key, error)
        return None

    def write_if_due(self, number: int, snapshot: Snapshot) -> None:
        """Copy the state and write it as `number`, if it is time and the last one is written."""
        pause = self._pause(snapshot)
        is_busy = self._thread is not None and self._thread.is_alive()
        if time.monotonic() - self._last >= pause and not is_busy:
            self.write(number, snapshot)

    def write(self, number: int, snapshot: Snapshot) -> None:
        """Copy the state now and write it as `number`, once the last one is written."""
        self.close()
        begun = time.monotonic()
        tensors, state = snapshot()
        for name, tensor in tensors.items():
            if name not in self._copies:
                self._copies[name] = torch.empty_like(tensor, device="cpu")
            self._copies[name].copy_(tensor)
        names = tuple(tensors)
        copied = time.monotonic() - begun
        self._thread = threading.Thread(target=self._write, args=(number, names, state, copied))
        self._thread.start()
        self._last = time.monotonic()
        self.seconds += copied

    def _pause(self, snapshot: Snapshot) -> float:
        """Seconds between two states. Before the first, its cost is guessed from its size."""
        if self._cost is None:
            self._cost = sum(tensor.nbytes for tensor in snapshot()[0].values()) / ASSUMED_SPEED
        return max(self._resume.every_seconds, self._cost / self._resume.max_share)

    def close(self) -> None:
        """Wait until the last state is written."""
        if self._thread:
            self._thread.join()

    def _write(
        self, number: int, names: tuple[str, ...], state: dict[str, Any], copied: float
    ) -> None:
        storage, key = self._resume.storage, self._resume.key
        manifest = {
            "fingerprint": self._resume.fingerprint,
            "state": state,
            "versions": {"python": platform.python_version(), "torch": torch.__version__},
        }
        try:
            with storage.new_folder(f"{key}/{number:09d}") as folder:
                save_file({name: self._copies[name] for name in names}, folder / _TENSORS)
                text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
                (folder / MANIFEST).write_text(text)
            for old in storage.folders(key)[:-STATES_KEPT]:
                storage.delete(old)
        except (HuggingtweetsError, OSError, SafetensorError) as error:
            # The training itself goes on; it only cannot be resumed elsewhere.
            log.warning("could not store the training state: %s", error)
        self._cost = max(self._cost or 0.0, copied + time.thread_time())
