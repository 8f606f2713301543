"""Stands in for the process that writes posts: it repeats the start, and knows no model.

`slow` as the start: a post each 20 ms, until it is stopped. `crash`: it ends.
"""

from __future__ import annotations

import os

from deployments.web.json_lines import answers, commands
from tasks.core import interruption
from tasks.core.errors import Interrupted


def main() -> None:
    """Answer until standard input is closed."""
    answer = answers()
    print("what libraries print is no answer")  # noqa: T201
    for command in commands(on_end=lambda: os._exit(0)):
        answer({"loaded": True})
        if command["start"] == "crash":
            os._exit(3)
        try:
            for number in range(command["number"]):
                if command["start"] == "slow":
                    interruption.pause(0.02)
                answer({"drafts": [f"{command['start']} {number}"] * command["number"]})
                answer({"post": f"{command['start']} {number} {command['seed']}"})
        except Interrupted:
            pass
        answer({"end": True})


if __name__ == "__main__":
    main()
