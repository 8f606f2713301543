"""The loop that writes, in fp32, where it can be compared with transformers digit by digit."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    DynamicCache,
    LlamaConfig,
    LlamaForCausalLM,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.pytorch_utils import Conv1D

from tasks.generation.decoding import (
    TOP_K,
    TOP_P,
    WARM_UP,
    Limits,
    draw,
    likeliest,
    write,
    write_each,
)
from tasks.generation.fast_products import (
    PackedProduct,
    WeightsFirst,
    can_pack,
    use_fast_products,
)
from tasks.generation.lean_layers import LeanLlamaLayer
from tasks.generation.writers import writer_of
from tasks.training.engine import Engine
from tests.tasks.training.recording import FakeRecorder
from tests.tiny import make_tiny_base

LIMITS = Limits(end=0, least=10, most=100)
PROMPTS = [[0, 5, 6, 7], [0], [0, *range(40, 80)], [0, 9], [0, 9]]


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> object:
    engine = Engine(make_tiny_base(tmp_path_factory.mktemp("base"), request.param))
    with torch.no_grad():  # such a model is not sure of everything, nor indifferent
        engine.model.get_input_embeddings().weight.mul_(8)
    return engine.model


def _texts(model: object, prompts: list[list[int]], **options: object) -> list[list[int]]:
    # fp32, in which a sum's order changes the seventh digit: too little to change a draw
    return write(model, prompts, LIMITS, generator=torch.Generator().manual_seed(3), **options)


def test_a_text_is_what_the_model_alone_would_write_with_the_same_draws(model: object) -> None:
    """One by one, the whole text read anew for each token, with the nucleus by transformers."""
    generator = torch.Generator().manual_seed(3)
    steps = LIMITS.most - min(map(len, PROMPTS))
    draws = torch.rand(steps, len(PROMPTS), generator=generator)
    written = _texts(model, PROMPTS)
    for row, prompt in enumerate(PROMPTS):
        ids = list(prompt)
        while len(ids) < LIMITS.most:
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[:, -1]
            if len(ids) < LIMITS.least:
                logits[:, LIMITS.end] = -torch.inf
            token = int(draw(logits, draws[len(ids) - len(prompt), row : row + 1]))
            if token == LIMITS.end:
                break
            ids.append(token)
        assert written[row] == ids


def test_fixed_shapes_change_nothing(model: object) -> None:
    assert _texts(model, PROMPTS, fixed_shapes=True) == _texts(model, PROMPTS, fixed_shapes=False)


def test_finished_rows_leave_and_the_others_go_on(model: object) -> None:
    """Many rows of different lengths: some end early, and buffers are widened more than once."""
    written = _texts(model, [[0]] * 40)
    lengths = sorted(map(len, written))
    assert lengths[0] < 60 < lengths[-1] <= LIMITS.most
    assert lengths[0] >= LIMITS.least
    assert written[:2] == _texts(model, [[0]] * 40, fixed_shapes=True)[:2]


def test_the_model_stays_as_it_is(model: object) -> None:
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    writer = writer_of(model)
    _texts(writer, PROMPTS)
    for name, weight in model.named_parameters():
        assert torch.equal(weight, before[name])
        assert weight.requires_grad


@pytest.mark.skipif(not can_pack(torch.zeros(1, dtype=torch.bfloat16)), reason="needs fast bf16")
@pytest.mark.parametrize(
    "plain",
    [torch.nn.Linear(48, 80), torch.nn.Linear(48, 80, bias=False), Conv1D(80, 48)],
    ids=["linear", "no bias", "conv1d"],
)
@torch.no_grad()
def test_a_packed_product_is_the_same(plain: torch.nn.Module) -> None:
    plain.to(torch.bfloat16)
    inputs = torch.randn(3, 5, 48, dtype=torch.bfloat16)[:, -1:]  # with gaps
    expected = plain(inputs)
    holder = torch.nn.Sequential(plain)
    assert use_fast_products(holder)
    assert isinstance(holder[0], PackedProduct)
    torch.testing.assert_close(holder(inputs), expected, rtol=0.016, atol=1e-3)


@pytest.mark.parametrize("rows", [1, 5, 16])
@pytest.mark.parametrize("bias", [False, True])
@torch.no_grad()
def test_a_product_with_its_weights_first_is_the_same(bias: bool, rows: int) -> None:
    plain = torch.nn.Linear(48, 80, bias=bias)
    inputs = torch.randn(rows, 5, 48)[:, -1:]  # with gaps
    torch.testing.assert_close(WeightsFirst(plain)(inputs), plain(inputs), rtol=1e-5, atol=1e-6)


def test_fast_products_are_for_linear_ones_that_share_the_work_badly() -> None:
    holder = torch.nn.Sequential(torch.nn.Linear(4, 4), Conv1D(4, 4))
    assert not use_fast_products(torch.nn.Sequential(torch.nn.Linear(4, 4, dtype=torch.float64)))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert not use_fast_products(holder)
        torch.set_num_threads(2)
        changed = use_fast_products(holder)
    finally:
        torch.set_num_threads(threads)
    assert changed == torch.backends.mkl.is_available() == isinstance(holder[0], WeightsFirst)
    assert isinstance(holder[1], Conv1D)


@pytest.mark.parametrize("columns", [3000, 3001, 8192, 300])
def test_the_likeliest_are_those_of_topk(columns: int) -> None:
    logits = torch.randn(5, columns, generator=torch.Generator().manual_seed(columns))
    number = min(64, columns)
    top, places = likeliest(logits, number)
    assert torch.equal(top, logits.topk(number).values)
    assert torch.equal(places, logits.topk(number).indices)


@pytest.mark.parametrize("bias", [False, True])
def test_lean_layers_compute_what_transformers_does(bias: bool) -> None:
    """Prompts of different lengths, then a token more; fp32, so that only a sum's order differs."""
    config = LlamaConfig(
        vocab_size=90,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        attention_bias=bias,
        mlp_bias=bias,
    )
    torch.manual_seed(0)
    plain = LlamaForCausalLM(config).eval()
    lean = LlamaForCausalLM(config).eval()
    lean.load_state_dict(plain.state_dict())
    for parameter in (*plain.parameters(), *lean.parameters()):
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(parameter.numel()))
    lean.model.layers = torch.nn.ModuleList(map(LeanLlamaLayer, lean.model.layers))
    ids = torch.randint(90, (3, 7))
    seen = torch.ones(7, 7).tril().log().expand(3, 1, 7, 7)
    expected, found = (
        net(
            input_ids=ids,
            attention_mask=seen,
            position_ids=torch.arange(7).expand(3, 7),
            past_key_values=DynamicCache(),
        ).logits
        for net in (plain, lean)
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_draws_follow_the_nucleus_of_the_likeliest() -> None:
    """Evenly spaced draws draw each token as often as its probability by transformers says."""
    logits = torch.randn(1, 3000, generator=torch.Generator().manual_seed(0)) * 2
    expected = TopPLogitsWarper(TOP_P)(None, TopKLogitsWarper(TOP_K)(None, logits)).softmax(-1)[0]
    number = 20_000
    draws = (torch.arange(number) + 0.5) / number
    drawn = draw(logits.expand(number, -1), draws).bincount(minlength=3000) / number
    assert set(drawn.nonzero()[:, 0].tolist()) <= set(expected.nonzero()[:, 0].tolist())
    assert (drawn - expected).abs().max() <= 1.5 / number


def test_the_ends_of_chance_stay_in_the_nucleus() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.16, 0.04], [0.04, 0.16, 0.3, 0.5]]))
    assert draw(logits, torch.tensor([0.0, 0.0])).tolist() == [0, 3]
    almost = torch.tensor([1 - 2**-24, 1 - 2**-24])
    assert draw(logits, almost).tolist() == [2, 1]


def test_the_shortest_text_is_given_first_whenever_one_looks(model: object) -> None:
    prompts = [PROMPTS[0]] * 30
    orders = []
    for fixed in (False, True):
        generator = torch.Generator().manual_seed(3)
        texts = write_each(model, prompts, LIMITS, generator=generator, fixed_shapes=fixed)
        orders.append(list(texts))
    assert orders[0] == orders[1]
    assert sorted(number for number, _ in orders[0]) == list(range(30))
    keys = [(len(text), number) for number, text in orders[0]]
    assert keys == sorted(keys)
    assert keys[0][0] < keys[-1][0], "which takes texts of several lengths"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_captured_pass_writes_what_a_loop_does(model: object) -> None:
    on_gpu = model.to("cuda")
    try:
        captured = _texts(on_gpu, PROMPTS, fixed_shapes=True)
        assert captured == _texts(on_gpu, PROMPTS, fixed_shapes=False)
    finally:
        model.to("cpu")


def _recorded(model: object, recorder: FakeRecorder) -> list[list[int]]:
    generator = torch.Generator().manual_seed(3)
    texts = write_each(
        model, PROMPTS, LIMITS, generator=generator, fixed_shapes=True, recorder=recorder
    )
    return [text for _, text in sorted(texts)]


def test_a_recorded_pass_writes_the_same(model: object) -> None:
    recorder = FakeRecorder()
    assert _recorded(model, recorder) == _texts(model, PROMPTS)
    assert (recorder.streamed, recorder.captures) == (WARM_UP, 1)
    assert recorder.replays > 50


@pytest.mark.parametrize("reason", ["it waits", "no memory"])
def test_a_pass_that_cannot_be_recorded_writes_the_same(model: object, reason: str) -> None:
    recorder = FakeRecorder(room=0)
    recorder.synchronizes = reason == "it waits"
    assert _recorded(model, recorder) == _texts(model, PROMPTS)
    assert (recorder.checks, recorder.captures) == (1, 0)
