"""What torch and Prefect read when they are imported: the first import of every test process."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from deployments.server.prefect_settings import NO_TELEMETRY

# Before torch: tiny models gain nothing from threads, and on a busy machine lose much.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
# Before Prefect: in its home lie the locks of this machine's trainings. In the operator's own home
# a test would wait for whatever trains there, and a night for the tests.
os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="huggingtweets-tests-")
os.environ |= NO_TELEMETRY
# A busy machine needs longer than Prefect's 20 seconds.
os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "180"
atexit.register(shutil.rmtree, os.environ["PREFECT_HOME"], ignore_errors=True)
