from __future__ import annotations

from pathlib import Path

import pytest

from tasks.evaluation.predictions import EACH, FREE, STARTS, Written, generate_samples
from tasks.training.engine import Engine
from tests.tiny import make_tiny_base


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder: Path = tmp_path_factory.mktemp("base")
    return Engine(make_tiny_base(folder))


def written(engine: Engine, training_texts: list[str]) -> Written:
    engine.restore()
    return generate_samples(engine.model, engine.tokenizer, training_texts, seed=3)


def test_five_texts_for_each_start_and_more_to_look_through(engine: Engine) -> None:
    found = written(engine, [])
    starts = [prediction.start for prediction in found.predictions]
    assert starts == [start for start in STARTS for _ in range(EACH)]
    assert all(each.text.startswith(each.start) for each in found.predictions)
    assert found.samples == EACH * len(STARTS) + FREE == 100


def test_what_repeats_a_training_post_is_marked_and_counted(engine: Engine) -> None:
    before = written(engine, [])
    assert not any(prediction.repeats for prediction in before.predictions)
    known = before.predictions[0].text
    after = written(engine, [f"  and then {known.upper()}\n it said"])
    assert after.predictions[0].repeats
    assert [each.text for each in after.predictions] == [each.text for each in before.predictions]
    marked = sum(prediction.repeats for prediction in after.predictions)
    assert after.verbatim >= marked
    assert after.verbatim <= after.repeated < after.samples
    assert before.verbatim < after.verbatim
