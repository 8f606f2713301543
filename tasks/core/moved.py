"""Aliases for modules that have moved, so that results stored by older versions can be read.

Prefect stores a record as JSON with its class as `module.Class`, and reads it by importing that
module.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "tasks.comply_x": "tasks.comply",
    "tasks.errors": "tasks.core.errors",
    "tasks.forget_account": "tasks.removal.account_removal",
    "tasks.forget_things": "tasks.removal.inventory",
    "tasks.names": "tasks.core.names",
    "tasks.records": "tasks.core.records",
    "tasks.records.corpora": "tasks.core.records.corpora",
    "tasks.records.evaluations": "tasks.core.records.evaluations",
    "tasks.records.files": "tasks.core.records.files",
    "tasks.records.outcomes": "tasks.core.records.bot_outcomes",
    "tasks.records.posts": "tasks.core.records.account_posts",
    "tasks.records.trainings": "tasks.core.records.trainings",
}


class _Aliases(MetaPathFinder, Loader):
    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = importlib.import_module(MOVED[module.__name__])


def keep_old_names() -> None:
    """Make the old names importable. Calling it again has no effect."""
    if not any(isinstance(finder, _Aliases) for finder in sys.meta_path):
        # First: else a module below an alias would be found by its path and loaded twice.
        sys.meta_path.insert(0, _Aliases())
