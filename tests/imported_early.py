"""Large libraries, imported before coverage traces: it would make that a third slower.

A plugin of pytest (`-p tests.imported_early`), since those named there are loaded before it starts.
"""

from __future__ import annotations

import os

import tests.environment  # noqa: F401 - before torch and Prefect

if "PYTEST_XDIST_WORKER" in os.environ:  # the process that hands out the tests runs none
    import prefect.server.api.server
    import torch._dynamo
    import transformers.models.gpt2.modeling_gpt2
    import transformers.models.llama.modeling_llama
    import transformers.pipelines
    import wandb.apis.public  # noqa: F401
