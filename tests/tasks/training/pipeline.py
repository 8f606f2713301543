"""The text-generation pipeline of transformers, as a user of a release would call it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys, warnings
warnings.simplefilter("error")
from transformers import pipeline
for model in sys.argv[1:]:
    write = pipeline("text-generation", model=model)
    print(len(write("My dream is", num_return_sequences=5)), len(write("")))
"""


def pipeline_says(*folders: Path) -> tuple[str, str]:
    """Standard output (how many posts each wrote for a start, and for none) and error."""
    environment = {**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, folders)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return done.stdout, done.stderr
