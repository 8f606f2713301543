"""A device that cannot do the work, or does something else, is not trained on."""

from __future__ import annotations

import logging

import pytest
import torch
from torch.overrides import TorchFunctionMode

from tasks.training.compute import gpu
from tasks.training.compute.device_trial import agrees_with_cpu


class Wrong(TorchFunctionMode):
    """Changes a little of what one function returns, once."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.done = name, False

    def __torch_function__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        if getattr(function, "__name__", "") == self.name and not self.done:
            self.done = True
            return found * 1.1 + 0.1
        return found


def test_the_cpu_agrees_with_itself() -> None:
    assert agrees_with_cpu(torch.device("cpu"))


@pytest.mark.parametrize("name", ["rms_norm", "softmax", "cumsum", "logsumexp", "silu"])
def test_one_wrong_operation_is_noticed(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with Wrong(name) as mode:
        assert not agrees_with_cpu(torch.device("cpu"))
    assert mode.done
    assert "computes something else" in caplog.text


def test_a_device_that_fails_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    assert not agrees_with_cpu(torch.device("meta"))
    assert "using the CPU, since torch fails on meta" in caplog.text


def test_a_mac_falls_back_to_its_cpu(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    gpu.best_device.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert gpu.best_device() == torch.device("cpu")
    assert "torch fails on mps" in caplog.text
    gpu.best_device.cache_clear()
