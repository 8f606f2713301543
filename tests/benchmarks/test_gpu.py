"""The script for a GPU, as far as it goes without one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.benchmarks import gpu
from tests.benchmarks.gpu_bench import Bench, Failed, require
from tests.benchmarks.gpu_checks import CHECKS, Check
from tests.benchmarks.gpu_kernels import Kernel, by_kind, table_of

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
    result, why = gpu.run(check(broken), bench)
    assert result == "FAIL"
    assert "in broken" in why, "where it broke"
    assert why.endswith("CUDA error: made in a test\n")
    with pytest.raises(Failed):
        require(False, "")


def test_a_check_that_ends_its_process_fails_alone(tmp_path: Path) -> None:
    ending = Check("no such check", 1, "made up", lambda _: "")
    result, measured = gpu.in_a_process(ending, tmp_path)
    assert result == "FAIL"
    assert "the process ended with 2" in measured


def test_kernels_are_told_apart_by_their_names() -> None:
    names = {
        "void cutlass::Kernel2<cutlass_80_wmma_tensorop_bf16_s161616gemm_bf16>": "matrix products",
        "nvjet_sm90_tst_64x8_64x16_1x4_h_bz_TNT": "matrix products",
        "fmha_cutlassF_bf16_aligned_64x64_rf_sm80(Params)": "attention, forward",
        "fmha_cutlassB_bf16_aligned_64x64_k64_seqaligned_sm80(Params)": "attention, backward",
        "void flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel<64>": "attention, backward",
        "void at::native::layer_norm_grad_input_kernel<bfloat16>": "the rest",
        "void at::native::reduce_kernel<512, 1, ReduceOp<NormTwoOps<float>>>": "optimizer",
        "void at::native::elementwise_kernel<128, 4, direct_copy_kernel_cuda>": "optimizer",
    }
    kernels = by_kind([Kernel(name, 1e-3) for name in names])
    assert [kernel.kind for kernel in kernels] == list(names.values())
    assert table_of(kernels)[0] == " 2.00 ms     2 matrix products"
