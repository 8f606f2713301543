from __future__ import annotations

import pytest
import torch

from tasks.generation.sampling import (
    BATCH,
    MAX_TOKENS,
    MIN_TOKENS,
    Wanted,
    sample,
    sample_each,
)
from tasks.training.data.documents import marks_of
from tasks.training.engine import Engine
from tests.tiny import make_tiny_base


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(make_tiny_base(tmp_path_factory.mktemp("base"), request.param))


def test_every_start_gets_its_posts(engine: Engine) -> None:
    engine.restore()
    written = sample(engine.model, engine.tokenizer, ["my cat", "the old robot dreams"], 4, seed=1)
    assert [len(texts) for texts in written] == [4, 4]
    assert all(text.startswith("my cat") for text in written[0])
    assert all(text.startswith("the old robot dreams") for text in written[1])
    assert len(set(written[0])) == 4


def test_a_seed_repeats_a_draw_and_another_does_not(engine: Engine) -> None:
    engine.restore()
    first, again, other = (
        sample(engine.model, engine.tokenizer, ["my cat"], 3, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_posts_that_may_mention_people_are_written_beside_others(engine: Engine) -> None:
    """All at signs, were it for the weights."""
    (sign,) = engine.tokenizer("@", add_special_tokens=False)["input_ids"]
    engine.restore()
    with torch.no_grad():
        embeddings = engine.model.get_input_embeddings().weight
        embeddings.copy_(embeddings[sign].clone())
        embeddings[sign] *= 60
    wanted = [Wanted("my"), Wanted("my", keep_mentions=True)]
    guarded, free = sample_each(engine.model, engine.tokenizer, wanted, seed=0)
    assert "@" not in guarded
    assert sample_each(engine.model, engine.tokenizer, wanted[1:], seed=0)[0].count("@") > 20
    assert free.count("@") > 20


def test_a_post_is_the_same_whoever_stands_beside_it(engine: Engine) -> None:
    """Left padding and finished neighbours change nothing: greedy choices show it."""
    engine.restore()
    one = _greedy(engine, ["my cat"])
    both = _greedy(engine, ["my cat", "the old robot is afraid of the radio and"])
    assert one[0] == both[0]


def _greedy(engine: Engine, starts: list[str]) -> list[str]:
    """With weights scaled up one token has all the probability, so a draw is no chance."""
    with torch.no_grad():
        engine.restore()
        engine.model.get_input_embeddings().weight.mul_(60)
    return [texts[0] for texts in sample(engine.model, engine.tokenizer, starts, 1, seed=0)]


def test_a_start_without_end_leaves_room_for_a_post(engine: Engine) -> None:
    start = "the old robot dreams of warm rain " * 50
    ((text,),) = sample(engine.model, engine.tokenizer, [start], 1, seed=0)
    assert text[:100] == start[:100]
    assert not text.startswith(start)


def test_blanks_at_the_end_of_a_start_are_left_to_the_next_word(engine: Engine) -> None:
    """As a token of its own a blank comes before hardly anything but digits."""
    engine.restore()
    starts = ["my cat", "my cat ", "my cat \t\u3000"]
    written = [sample(engine.model, engine.tokenizer, [start], 5, seed=0) for start in starts]
    assert written[0] == written[1] == written[2]
    (texts,) = sample(engine.model, engine.tokenizer, ["   "], 2, seed=0)
    assert len(texts) == 2


def test_an_empty_start_is_a_start(engine: Engine) -> None:
    engine.restore()
    (texts,) = sample(engine.model, engine.tokenizer, [""], 2, seed=0)
    assert len(texts) == 2


def test_posts_end_and_have_a_least_and_a_greatest_length(engine: Engine) -> None:
    engine.restore()
    end = marks_of(engine.tokenizer).end
    with torch.no_grad():
        # The end mark is by far the likeliest, or the least likely, token after everything.
        output = engine.model.get_output_embeddings()
        bias = torch.zeros(output.weight.shape[0])
        output.bias = torch.nn.Parameter(bias)
        output.bias[end] = 1e4
    (short,) = sample(engine.model, engine.tokenizer, [""], 3, seed=0)
    with torch.no_grad():
        output.bias[end] = -1e4
    (long,) = sample(engine.model, engine.tokenizer, [""], 3, seed=0)
    output.register_parameter("bias", None)
    longest_token = max(map(len, engine.tokenizer.get_vocab()))
    assert 0 < max(map(len, short)) <= MIN_TOKENS * longest_token
    assert min(map(len, long)) > max(map(len, short))
    assert max(map(len, long)) <= MAX_TOKENS * longest_token


def _loving(engine: Engine, pieces: list[str]) -> None:
    """Make the tokens of these pieces by far the likeliest, in any place."""
    output = engine.model.get_output_embeddings()
    bias = torch.zeros(output.weight.shape[0])
    for piece in pieces:
        bias[engine.tokenizer(piece)["input_ids"]] = 100.0
    output.bias = torch.nn.Parameter(bias)


def test_nobody_is_mentioned_unless_asked(engine: Engine) -> None:
    engine.restore()
    _loving(engine, ["@", "b", " "])
    try:
        (kept,) = sample(engine.model, engine.tokenizer, ["my @"], 5, seed=0, keep_mentions=True)
        (texts,) = sample(engine.model, engine.tokenizer, ["my @"], 5, seed=0)
        ((given,),) = sample(engine.model, engine.tokenizer, ["hello @bob"], 1, seed=0)
    finally:
        engine.model.get_output_embeddings().register_parameter("bias", None)
    assert any("@b" in text for text in kept)
    assert all("b" in text and text.startswith("my @ ") for text in texts), "all else is possible"
    assert all(text.count("@") == 1 for text in texts), "the start's"
    assert given.startswith("hello @bob")
    assert "@" not in given.removeprefix("hello @bob")


def test_more_posts_than_a_batch_holds(engine: Engine) -> None:
    engine.restore()
    (texts,) = sample(engine.model, engine.tokenizer, ["my cat"], BATCH + 3, seed=0)
    assert len(texts) == BATCH + 3
    assert len(set(texts)) > BATCH, "the second batch has random numbers of its own"
