"""`make demo`: two sample bots through the `retrain` flow that production uses.

`make demo SEED=1` trains them with another seed; the gate then compares them with their releases.
"""

from __future__ import annotations

import argparse
import sys
import time

from deployments import console
from deployments.outcome_report import print_report
from tasks.core.errors import HuggingtweetsError
from tasks.core.names import Bot
from tasks.core.records import Outcome, Spec, Status
from tasks.core.settings import settings


def main() -> None:
    """Retrain the sample bots and print the results; exit code 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m deployments.demo")
    parser.add_argument("--seed", type=int, default=0, help="of training and predictions")
    seed = parser.parse_args().seed
    console.prepare_environment()
    started = time.monotonic()
    try:
        outcomes = _retrain(seed)
    except HuggingtweetsError as error:
        console.complain(f"demo: {error}")
        sys.exit(1)
    for outcome in outcomes:
        print_report(outcome, posts=5)
    console.say(f"Took {time.monotonic() - started:.0f} s.")
    sys.exit(int(any(outcome.status is Status.FAILED for outcome in outcomes)))


def _retrain(seed: int) -> list[Outcome]:
    from deployments.retraining import run_retrain
    from deployments.samples import sample_tables

    console.note("Fetching the sample posts …")
    sources = {name: str(path) for name, path in sample_tables(settings().cache).items()}
    bots = [Bot.parse(name) for name in sources]
    return run_retrain(bots, sources, base="embedded", training=Spec(seed=seed))


if __name__ == "__main__":
    main()
