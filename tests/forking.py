"""Child processes that start in milliseconds: forks of one server that has loaded what they run."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.context import ForkServerContext
from pathlib import Path

ROOT = Path(__file__).parents[1]
# A server loads once, before its first child: what another test names later would be too late.
_LOADED = [
    "tests.tasks.curation.readers",
    "tests.tasks.registry.test_attempts",
    "tests.tasks.sources.readers",
]


def forking() -> ForkServerContext:
    """The context for `Process`, `Pipe` and `Barrier`."""
    os.environ["PYTHONPATH"] = str(ROOT)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    return context
