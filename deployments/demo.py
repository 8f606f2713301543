"""`make demo`: two sample bots through the `retrain` flow that production uses.

`make demo SEED=1` trains them with another seed; the gate then compares them with their releases.
"""

from __future__ import annotations

import argparse
import sys
import time

from deployments import console
from tasks.core.errors import HuggingtweetsError
from tasks.core.names import Bot
from tasks.core.records import Outcome, Spec, Status
from tasks.core.settings import settings
from tasks.storage import storage_root

START = "My dream is"


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
        _report(outcome)
    console.print_outcomes(outcomes)
    console.say(f"Took {time.monotonic() - started:.0f} s.")
    sys.exit(int(any(outcome.status is Status.FAILED for outcome in outcomes)))


def _retrain(seed: int) -> list[Outcome]:
    from deployments.cli.retrain import run_retrain
    from deployments.samples import sample_tables

    console.note("Fetching the sample posts …")
    sources = {name: str(path) for name, path in sample_tables(settings().cache).items()}
    bots = [Bot.parse(name) for name in sources]
    return run_retrain(bots, sources, base="embedded", training=Spec(seed=seed))


def _report(outcome: Outcome) -> None:
    say = console.say
    say(f"\n@{outcome.bot}: {outcome.status.value}")
    for handle, counts in (outcome.corpus.counts if outcome.corpus else {}).items():
        dropped = ", ".join(f"{number} {reason}" for reason, number in counts.dropped.items())
        say(
            f"  posts of @{handle}: {counts.downloaded} downloaded, dropped: {dropped};"
            f" {counts.kept} kept"
        )
    if outcome.evaluation:
        losses = outcome.evaluation
        say(f"  held-out loss: base {losses.base_loss:.3f}, bot {losses.bot_loss:.3f} nats a token")
        say(f"  five predictions for {START!r}:")
        console.print_predictions(losses, START)
    if outcome.release:
        folder = f"{storage_root().url}/{outcome.release.folder}"
        say(f"  release: {folder}")
        say(f"  card:    {folder}/README.md")
        say(f"  picture: {folder}/predictions.png")


if __name__ == "__main__":
    main()
