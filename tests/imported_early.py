"""Large libraries, imported before coverage traces: it would make that a third slower.

A plugin of pytest (`-p tests.imported_early`), since those named there are loaded before it starts.
"""

from __future__ import annotations

import os
from importlib import import_module

import tests.environment  # noqa: F401 - before torch and Prefect

_LARGE = (
    "prefect.server.api.server",
    "torch._dynamo",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.llama.modeling_llama",
    "transformers.pipelines",
    "wandb.apis.public",
)

if "PYTEST_XDIST_WORKER" in os.environ:  # the process that hands out the tests runs none
    for name in _LARGE:
        import_module(name)
