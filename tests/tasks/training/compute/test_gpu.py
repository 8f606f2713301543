"""What only a GPU needs, with stand-ins for `torch.cuda`."""

from __future__ import annotations

import gc
import os
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from tasks.core.errors import BaseUnavailable
from tasks.core.records import Spec
from tasks.training.bases.loading import load_model
from tasks.training.compute import gpu
from tasks.training.compute import packed_attention as attention
from tasks.training.compute.fast_loss import fastest_loss
from tasks.training.compute.flat_weights import FlatWeights
from tasks.training.compute.precision import has_fast_bf16
from tasks.training.engine import Engine, engine_for
from tasks.training.trainer import train
from tests.sample_posts import sentences
from tests.tiny import make_tiny_base

CPU = torch.device("cpu")
TEXTS = sentences(40)


class FakeCuda:
    """Streams and graphs that note what is done with them.

    at_end: what ending a capture raises.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at_end: Exception | None = None
        self.mode = "default"
        self.streams: list[object] = ["the default stream"]
        self.waits: list[tuple[object, object]] = []
        fake = self

        class Stream:
            def wait_stream(self, other: object) -> None:
                fake.waits.append((self, other))

        self.outside = Stream()
        self.streams = [self.outside]
        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: self.streams[-1])
        monkeypatch.setattr(torch.cuda, "stream", self._within)
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: self)
        monkeypatch.setattr(torch.cuda, "graph", self._graph)
        monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", self._set_mode)

    @contextmanager
    def _within(self, stream: object) -> Iterator[None]:
        self.streams.append(stream)
        try:
            yield
        finally:
            self.streams.pop()

    @contextmanager
    def _graph(self, _graph: object, stream: object, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local"
        self.streams.append(stream)
        yield
        if self.at_end:
            raise self.at_end  # with the stream not put back, as torch does
        self.streams.pop()

    def _set_mode(self, mode: str) -> None:
        self.mode = mode

    def replay(self) -> None: ...


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    return FakeCuda(monkeypatch)


def raising(error: Exception) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_work_is_recorded_on_the_stream_that_it_was_first_done_on(cuda: FakeCuda) -> None:
    recorder = gpu.Recorder()
    seen = []
    with recorder.stream():
        seen.append(torch.cuda.current_stream())
    recorder.check(lambda: seen.append(torch.cuda.current_stream()))
    result, replay = recorder.record(lambda: seen.append(torch.cuda.current_stream()) or 7)
    assert len(set(map(id, seen))) == 1
    assert seen[0] is not cuda.outside
    assert cuda.waits[:2] == [(seen[0], cuda.outside), (cuda.outside, seen[0])]
    assert (result, replay) == (7, cuda.replay)
    with pytest.raises(torch.OutOfMemoryError), recorder.stream():
        raise torch.OutOfMemoryError
    assert cuda.waits[-1] == (cuda.outside, seen[0]), "what has begun is still awaited"


def test_what_waits_for_the_gpu_is_found_before_it_is_captured(cuda: FakeCuda) -> None:
    recorder = gpu.Recorder()
    modes = []
    recorder.check(lambda: modes.append(cuda.mode))
    assert (modes, cuda.mode) == (["error"], "default")
    with pytest.raises(gpu.Synchronizes, match="called a synchronizing"):
        recorder.check(raising(RuntimeError("called a synchronizing CUDA operation")))
    with pytest.raises(torch.AcceleratorError):
        recorder.check(raising(torch.AcceleratorError("CUDA error: illegal address")))
    assert cuda.mode == "default"


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, torch.AcceleratorError])
def test_no_memory_for_a_graph_is_said_in_one_way(cuda: FakeCuda, error: type[Exception]) -> None:
    cuda.at_end = error("CUDA error: out of memory")
    with pytest.raises(torch.OutOfMemoryError, match="no memory for a CUDA graph"):
        gpu.Recorder().record(lambda: None)


def test_a_capture_that_fails_ends_the_process_and_is_not_tried_by_the_next(
    cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert gpu.Recorder.may_record()
    cuda.at_end = torch.AcceleratorError("CUDA error: operation failed due to a previous error")
    child = os.fork()
    if not child:
        try:
            gpu.Recorder().record(lambda: None)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == gpu.EXIT_CODE
    assert not gpu.Recorder.may_record()


def test_a_gpu_that_torch_was_not_built_for_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def ones(*_shape: int, device: str) -> torch.Tensor:
        raise torch.AcceleratorError(f"CUDA error: no kernel image for {device}\nCompile with")

    assert gpu.best_device() == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", ones)
    gpu.best_device.cache_clear()
    try:
        assert gpu.best_device() == CPU
        assert gpu.best_device() == CPU
    finally:
        gpu.best_device.cache_clear()
    (line,) = caplog.messages
    assert line.endswith("fails on the GPU: CUDA error: no kernel image for cuda")


def test_emulated_bf16_is_not_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_supported(*, including_emulation: bool = True) -> bool:
        return including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    assert not has_fast_bf16(torch.device("cuda"))


def test_a_fault_of_the_gpu_is_not_taken_for_a_model_without_a_fast_way(tmp_path: Path) -> None:
    make_tiny_base(tmp_path, "llama")
    model = load_model(tmp_path, CPU, torch.float32)
    forward = model.model.forward

    def failing(*args: Any, **named: Any) -> Any:
        if model.config._attn_implementation == attention.NAME:  # noqa: SLF001 - no public name
            raise torch.AcceleratorError("CUDA error: device-side assert triggered")
        return forward(*args, **named)

    model.model.forward = failing
    with pytest.raises(torch.AcceleratorError, match="device-side assert"):
        fastest_loss(model, FlatWeights(model.parameters()))


def test_another_base_takes_the_place_of_the_last_in_memory(tmp_path: Path) -> None:
    engine = engine_for(make_tiny_base(tmp_path / "one"))
    engine.itself = engine  # a circle, as hooks and errors make them
    master = weakref.ref(engine.weights.master)
    del engine
    gc.disable()
    try:
        engine_for(make_tiny_base(tmp_path / "other"))
        assert master() is None
    finally:
        gc.enable()


def test_an_error_that_is_kept_keeps_no_tensors(tmp_path: Path) -> None:
    engine = Engine(make_tiny_base(tmp_path))
    tensors = []
    train_loss = engine.loss.backward

    def without_memory(batch: Any) -> torch.Tensor:
        activations = torch.ones(9)
        tensors.append(weakref.ref(activations))
        train_loss(batch)
        raise torch.OutOfMemoryError("made in a test")

    engine.loss.backward = without_memory
    with pytest.raises(BaseUnavailable, match="does not fit in memory") as caught:
        train(engine, TEXTS[:30], TEXTS[30:], Spec(precision="fp32"))
    assert caught.value.__cause__ is not None
    assert tensors
    assert all(tensor() is None for tensor in tensors)
