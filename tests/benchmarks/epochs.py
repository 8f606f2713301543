"""How the held-out loss of a training from the base falls, and what a rule to end it would choose.

    python -m tests.benchmarks.epochs [CORPUS…] [--plans 1 2] [--json FILE]
    python -m tests.benchmarks.epochs --table FILE…

Each corpus is trained once for each planned number of epochs, to the end, and measured EVALUATIONS
times in each: the learning rate falls with what is planned, so that an end after one epoch of two
is not one epoch. `--json` keeps the loss of every held-out post at every point; from such files
`--table` prints the curves and what each rule would have chosen, and trains nothing. Processor
seconds count, not those on the wall: the machine may be shared.
Corpora: parts of the accounts of ../shared/tweets, and collections of the sample wheel. LEFT_OUT
were measured after the rule was settled by CHOSEN_BY: they check it, and choose nothing. SIZED
chose from how many tokens on one epoch is enough.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.accounts import REAL_POSTS, Account, imported
from tests.benchmarks.warm_starts import FILES

EVALUATIONS = 4  # an epoch


class Part(NamedTuple):
    """Raw posts of an account: so many, where so many newer ones are left out."""

    account: str
    posts: int
    skip: int = 0


CHOSEN_BY = {
    "juliasilge 75": Part("juliasilge", 100),
    "elonmusk 138": Part("elonmusk", 150),
    "drob 136": Part("drob", 230),
    "startrek": Part("startrek", 1_000),
    "congressedits 302": Part("congressedits", 400),
    "juliasilge 276": Part("juliasilge", 300, 4000),
    "elonmusk 330": Part("elonmusk", 400, 3000),
    "drob 518": Part("drob", 700, 500),
    "zippy": Part("zippy", 1_000),
    "murphy": Part("murphy", 1_000),
}
LEFT_OUT = {
    "elonmusk 135": Part("elonmusk", 200, 8000),
    "fortunes 126": Part("fortunes", 150, 1500),
    "drob 372": Part("drob", 600, 2500),
    "fortunes 342": Part("fortunes", 380, 6500),
    "juliasilge 2185": Part("juliasilge", 2670, 5000),
    "fortunes 2169": Part("fortunes", 2416, 5000),
}
SIZED = {
    "elonmusk 662": Part("elonmusk", 800, 400),
    "juliasilge 663": Part("juliasilge", 1000, 300),
    "drob 784": Part("drob", 1300, 1300),
    "elonmusk 1144": Part("elonmusk", 1500, 1400),
    "fortunes 720": Part("fortunes", 800, 300),
    "juliasilge 1313": Part("juliasilge", 1600, 8000),
    "elonmusk 1776": Part("elonmusk", 2600, 4600),
    "fortunes 1343": Part("fortunes", 1500, 8500),
}
CORPORA = CHOSEN_BY | LEFT_OUT | SIZED


@dataclass(frozen=True)
class Point:
    """One evaluation: after so many steps and tokens, and processor seconds of steps alone.

    evaluated: processor seconds of this evaluation. nats: the loss of each held-out post.
    """

    steps: int
    tokens: int
    trained: float
    evaluated: float
    nats: list[float]


@dataclass(frozen=True)
class Curve:
    """One training to its end.

    posts, held_out: how many; epoch_tokens: that an epoch counts; plan: epochs.
    lengths: the scored tokens of each held-out post. base: the base's loss of each.
    """

    corpus: str
    plan: int
    seed: int
    posts: int
    held_out: int
    epoch_tokens: int
    epoch_steps: int
    lengths: list[int]
    base: list[float]
    points: list[Point] = field(default_factory=list)


def main(words: list[str]) -> int:
    """Measure or print; 0 in any case."""
    asked = _arguments(words)
    if asked.table:
        from tests.benchmarks.epoch_rules import print_tables

        lines = [line for file in asked.table for line in Path(file).read_text().splitlines()]
        print_tables([read_curve(line) for line in lines], list(LEFT_OUT))
        return 0
    engine = _engine()
    for name in asked.corpora or CORPORA:
        account = posts_of(CORPORA[name])
        for plan in asked.plans:
            curve = measure(engine, name, account, plan, asked)
            losses = " ".join(f"{loss_of(curve, point):.3f}" for point in curve.points)
            print(f"{name}, {plan} planned: {curve.posts} posts, {losses}", flush=True)
            if asked.json:
                with Path(asked.json).open("a") as file:
                    file.write(json.dumps(asdict(curve)) + "\n")
    return 0


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.epochs")
    add = parser.add_argument
    add("corpora", nargs="*", choices=[*CORPORA, []], metavar="CORPUS")
    add("--plans", type=int, nargs="+", default=[2, 1], help="epochs that are planned")
    add("--seed", type=int, default=0)
    add("--json", help="append the curves to this file, one a line")
    add("--table", nargs="+", help="print what such files hold")
    return parser.parse_args(words)


def read_curve(line: str) -> Curve:
    """A curve from its line of JSON."""
    curve = Curve(**json.loads(line))
    points: Any = curve.points
    return replace(curve, points=[Point(**point) for point in points])


def loss_of(curve: Curve, point: Point) -> float:
    """The held-out loss at a point, in nats a token."""
    return sum(point.nats) / sum(curve.lengths)


def _engine() -> Any:
    from tasks.core.settings import Settings
    from tasks.training.bases.base_models import resolve_base
    from tasks.training.engine import engine_for

    return engine_for(resolve_base("embedded", Settings().cache))


def posts_of(part: Part) -> Account:
    """The posts of a corpus, curated and split as a bot's are."""
    if part.account in FILES:
        return imported(part.account, REAL_POSTS / FILES[part.account], part.posts, part.skip)
    from deployments.samples import collections

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{part.account}.csv"
        file.write_text(collections([part.account])[part.account])
        return imported(part.account, file, part.posts, part.skip)


def measure(
    engine: Any, name: str, account: Account, plan: int, asked: argparse.Namespace
) -> Curve:
    """Train on a corpus to the end, and measure at every point."""
    import torch

    from tasks.core.records import Spec
    from tasks.training.data.documents import scored
    from tasks.training.schedule import default_rate, rates
    from tasks.training.steps import TrainingStep

    spec = Spec(epochs=plan, seed=asked.seed)
    engine.use(spec.precision)
    engine.restore()
    documents = engine.documents(account.train, spec)
    held_out = engine.documents(account.held_out, spec)
    epochs = [batches_of_epoch(documents, spec, number) for number in range(plan)]
    steps = sum(map(len, epochs))
    torch.manual_seed(spec.seed)
    engine.weights.begin()
    step = TrainingStep(engine.trainable, spec, rates(default_rate("full", steps), steps, spec))
    curve = Curve(
        name, plan, spec.seed, len(documents), len(held_out), scored(documents), steps // plan,
        [len(document) - 1 for document in held_out], engine.loss.each(held_out),
    )  # fmt: skip
    number, tokens, trained = 0, 0, 0.0
    with engine.loss.open():
        for part in itertools.chain(*map(_quarters, epochs)):
            begun = time.process_time()
            for batch in part:
                step(batch, number)
                number, tokens = number + 1, tokens + batch.tokens
            ended = time.process_time()
            trained += ended - begun
            nats = engine.loss.each(held_out)
            evaluated = time.process_time() - ended
            curve.points.append(Point(number, tokens, trained, evaluated, nats))
    return curve


def batches_of_epoch(documents: Any, spec: Any, number: int) -> list[Any]:
    """All batches of an epoch, as a training has them."""
    from tasks.training.run import parts_of

    return list(itertools.chain(*parts_of(documents, [""] * len(documents), spec, number)))


def _quarters(batches: list[Any]) -> list[list[Any]]:
    cuts = [len(batches) * n // EVALUATIONS for n in range(EVALUATIONS + 1)]
    return [batches[start:end] for start, end in itertools.pairwise(cuts)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
