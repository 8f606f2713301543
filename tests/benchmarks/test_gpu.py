"""The script for a GPU, as far as it goes without one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.benchmarks import gpu
from tests.benchmarks.gpu_bench import Bench, Failed, require
from tests.benchmarks.gpu_checks import CHECKS, Check

SLOW = {"processes": pytest.mark.slow}  # starts one


@pytest.mark.parametrize(
    "check", [pytest.param(each, id=each.name, marks=SLOW.get(each.name, ())) for each in CHECKS]
)
def test_every_check_runs_on_tiny_models(check: Check, tmp_path: Path) -> None:
    assert check.function(Bench(tmp_path, dry=True))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main([]) == 2
    assert "finds none: nothing was checked" in capsys.readouterr().out


def test_what_a_check_measures_decides(tmp_path: Path) -> None:
    bench = Bench(tmp_path, dry=True)
    bench.dry = False

    def check(function: object) -> Check:
        return Check("made up", 1, "made up", function)  # type: ignore[arg-type]

    def broken(_bench: Bench) -> str:
        raise torch.AcceleratorError("CUDA error: made in a test")

    assert gpu.run(check(lambda _: require(True, "1 ms")), bench) == ("pass", "1 ms")
    assert gpu.run(check(lambda _: require(False, "9 ms")), bench) == ("FAIL", "9 ms")
    assert gpu.run(check(broken), bench)[0] == "FAIL"
    with pytest.raises(Failed):
        require(False, "")


def test_a_check_that_ends_its_process_fails_alone(tmp_path: Path) -> None:
    ending = Check("no such check", 1, "made up", lambda _: "")
    result, measured = gpu.in_a_process(ending, tmp_path)
    assert result == "FAIL"
    assert "the process ended with 2" in measured
