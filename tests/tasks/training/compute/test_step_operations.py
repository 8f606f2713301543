"""A step's operations, one by one, with torch's meta device in the place of a GPU.

That device has shapes but no numbers: what asks for a number fails, and what mixes it with the CPU
would be a copy that waits.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.autograd.graph import get_gradient_edge
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from tasks.core.records import Spec
from tasks.training.bases.loading import load_model
from tasks.training.compute.cuda_graphs import StepGraphs
from tasks.training.compute.fast_loss import RowLoss
from tasks.training.compute.flat_weights import FlatWeights
from tasks.training.data.batches import pad
from tasks.training.dropout import dropping
from tasks.training.first_token_ramp import FirstTokenRamp
from tasks.training.steps import Trainable, TrainingStep
from tests.tiny import make_tiny_base

META = torch.device("meta")
BATCHES = [pad([[0, 1, 2, 3, 4], [0, 5, 6]]), pad([[0, 7, 8]]), pad([[0, 9], [0, 1], [0, 2]])]
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "repeat_interleave")
DATA_DEPENDENT = {torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output}


class Operations(TorchDispatchMode):
    """Notes each operation with its shapes; refuses what would wait for a GPU."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device, self.names = device, []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        name = func.overloadpacket.__name__
        assert name not in WAITING, name
        assert not DATA_DEPENDENT.intersection(func.tags), name
        if name == "_efficient_attention_backward":  # torch's own for meta leaves out an argument
            _, query, key, value, *_ = args
            found: Any = [torch.empty_like(part) for part in (query, key, value, value)]
        else:
            found = func(*args, **kwargs or {})
        tensors = [x for x in tree_leaves((args, kwargs, found)) if isinstance(x, torch.Tensor)]
        assert {tensor.device for tensor in tensors} <= {self.device}, f"{name} mixes devices"
        self.names.append((str(func), [(tuple(x.shape), x.dtype) for x in tensors]))
        return found


class NotingRecorder:
    """Notes the operations of the step that is done as it is, and of the one that is captured."""

    def __init__(self, device: torch.device, capturing: Callable[[bool], object]) -> None:
        self._device, self._capturing = device, capturing
        self.eager: list[Any] = []
        self.captured: list[Any] = []

    def may_record(self) -> bool:
        return True

    @contextmanager
    def stream(self) -> Iterator[None]:
        with Operations(self._device) as operations:
            yield
        self.eager = operations.names

    def check(self, work: Callable[[], object]) -> None:
        with Operations(self._device):
            work()

    def record(self, work: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
        self._capturing(True)
        with Operations(self._device) as operations:
            result = work()
        self._capturing(False)
        self.captured = operations.names
        return result, lambda: None


def on_meta(architecture: str) -> Any:
    sizes = {"bos_token_id": 0, "eos_token_id": 0, "vocab_size": 130}  # in two parts
    with META:
        if architecture == "gpt2":
            model: Any = GPT2LMHeadModel(GPT2Config(**sizes, n_embd=32, n_layer=2, n_head=2))
        else:
            config = LlamaConfig(
                **sizes,
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                pad_token_id=2,
            )
            model = LlamaForCausalLM(config)
    model.set_attn_implementation("sdpa")
    return model.eval()


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_step_waits_for_nothing_and_is_the_same_while_it_is_captured(
    architecture: str, dtype: torch.dtype, dropout: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    capturing = False

    def set_capturing(now: bool) -> None:
        nonlocal capturing
        capturing = now

    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: capturing)
    monkeypatch.setattr(torch, "_fused_adamw_", lambda *_args, **_named: None)
    model = on_meta(architecture)
    flat = FlatWeights(model.parameters())
    flat.use(dtype)
    recorder = NotingRecorder(META, set_capturing)
    loss, ramp = RowLoss(model, flat), FirstTokenRamp(model, META)
    spec = Spec(dropout=dropout)
    step = TrainingStep(
        Trainable(model, flat, loss, ramp, StepGraphs(recorder)), spec, [1e-3] * len(BATCHES)
    )
    with loss.open(), dropping(model, dropout):
        for number, batch in enumerate(BATCHES):
            step(batch, number)
    assert len(recorder.eager) > 100
    assert recorder.captured == recorder.eager
    names = " ".join(name for name, _ in recorder.captured)
    assert names.count("_efficient_attention_backward") == model.config.num_hidden_layers
    assert "scaled_dot_product" not in names, "it would need a mask"
    assert "linalg_vector_norm" in names
    assert "aten.dot" not in names, "it fails above 2^31 numbers"


def test_what_would_wait_is_seen() -> None:
    cpu = torch.device("cpu")
    numbers = torch.ones(3)
    model, ids = on_meta("llama"), torch.zeros((1, 8), dtype=torch.long, device=META)
    with pytest.raises(AssertionError, match="_local_scalar_dense"), Operations(META):
        # As transformers has it, which looks for packed documents.
        model.base_model(input_ids=ids, position_ids=ids, use_cache=False)
    for waiting in (
        lambda: float(numbers.sum()),
        numbers.nonzero,
        lambda: numbers[numbers > 0],
        lambda: numbers.masked_select(numbers > 0),
        numbers.unique,
        lambda: numbers.to(META),
    ):
        with pytest.raises(AssertionError), Operations(cpu):
            waiting()


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_no_node_of_a_step_outlives_it(architecture: str, tmp_path: Path) -> None:
    """One that does belongs to the stream it was made on, and spoils a later capture."""
    make_tiny_base(tmp_path, architecture)
    model = load_model(tmp_path, torch.device("cpu"), torch.float32)
    flat = FlatWeights(model.parameters())
    loss = RowLoss(model, flat)
    kept = []

    def mark(_body: Any, _inputs: Any, output: Any) -> None:
        kept.append(output.last_hidden_state)
        for parameter in model.parameters():
            get_gradient_edge(parameter).node.metadata["marked"] = True

    def marked() -> int:
        nodes = [get_gradient_edge(parameter).node for parameter in model.parameters()]
        return sum("marked" in node.metadata for node in nodes)

    hook = model.base_model.register_forward_hook(mark)
    gc.disable()
    try:
        with loss.open():
            loss.backward(BATCHES[0])
        assert marked() > 0, "of what is kept here"
        kept.clear()
        assert marked() == 0
    finally:
        gc.enable()
        hook.remove()
