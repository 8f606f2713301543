"""When a training ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tasks.core.records import Progress, Spec
from tasks.training.engine import Engine
from tasks.training.run import ONE_EPOCH_TOKENS
from tasks.training.trainer import Trained, train
from tests.sample_posts import sentences
from tests.tiny import make_tiny_base

SPEC = Spec(precision="fp32", learning_rate=1e-3)
TEXTS = sentences(1_000)
HELD_OUT, FEW, MANY = TEXTS[:20], TEXTS[20:100], TEXTS[20:]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(make_tiny_base(tmp_path))


def run(engine: Engine, texts: list[str], spec: Spec) -> tuple[Trained, list[Progress]]:
    reports: list[Progress] = []
    trained = train(engine, texts, HELD_OUT, spec, on_progress=reports.append)
    return trained, reports


def test_a_large_corpus_is_read_once(engine: Engine) -> None:
    trained, reports = run(engine, MANY, SPEC)
    assert trained.tokens >= ONE_EPOCH_TOKENS
    assert trained.epochs == 1.0
    assert len(trained.history) == 2
    assert {report.total for report in reports} == {trained.tokens}, "as is known from the start"


def test_a_small_one_is_read_as_long_as_that_helps(engine: Engine) -> None:
    trained, _ = run(engine, FEW, SPEC)
    assert trained.epochs > 1


@pytest.mark.parametrize("changes", [{"patience": 4}, {"mode": "adapter"}])
def test_a_large_one_is_read_again_where_that_is_asked_for_or_was_not_measured(
    engine: Engine, changes: dict[str, object]
) -> None:
    trained, _ = run(engine, MANY, replace(SPEC, **changes))
    assert trained.epochs > 1
