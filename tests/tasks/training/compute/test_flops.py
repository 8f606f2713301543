from __future__ import annotations

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from tasks.training.compute.flops import peak_flops, peak_of_gpu, training_flops


def test_the_formula_on_models_that_can_be_counted_by_hand() -> None:
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=10, n_positions=8, n_embd=4, n_layer=2, n_head=2))
    weights = sum(p.numel() for p in gpt2.parameters())
    assert training_flops(gpt2, [3, 5]) == 6 * weights * 8 + 12 * 2 * 4 * (9 + 25)

    sizes = {"vocab_size": 10, "hidden_size": 4, "intermediate_size": 8, "num_hidden_layers": 1}
    llama = LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=2))
    weights = sum(p.numel() for p in llama.parameters()) - 10 * 4
    assert training_flops(llama, [3]) == 6 * weights * 3 + 12 * 4 * 9, "the table is looked up"


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H200", 989e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-40GB", 312e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40S", 362e12),
        ("Tesla T4", 65e12),
        ("NVIDIA GH200 480GB", 989e12),
        ("NVIDIA GeForce GTX 1050", None),
    ],
)
def test_peaks_of_gpus_by_the_names_that_torch_gives(name: str, peak: float | None) -> None:
    found, source = peak_of_gpu(name)
    assert found == peak
    assert ("not in the table" in source) == (peak is None)


def test_a_cpus_peak_is_measured_once_for_each_type() -> None:
    cpu = torch.device("cpu")
    peak, source = peak_flops(cpu, "fp32")
    assert peak is not None
    assert peak > 1e8
    assert source.startswith("measured")
    assert peak_flops(cpu, "fp32") == (peak, source)
