"""What a GPU computes by kernels of its own, against the same on the CPU."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.benchmarks.gpu_bench import Bench, require

if TYPE_CHECKING:
    import torch

    # On a device and in a type; what it returns is fp32, on the CPU.
    Computation = Callable[[torch.device, torch.dtype], list[torch.Tensor]]

# Largest difference, relative to the largest number: of attention, and of its gradients.
ATTENTION = {"fp32": 1e-5, "bf16": 2e-2}
# The same of the loss over a vocabulary, its gradient, and the head's.
HEAD = {"fp32": 1e-4, "bf16": 2e-2}
# GPT-2's vocabulary, which is odd, and SmolLM2's.
VOCABULARIES, SIZE, TOKENS = (50_257, 49_152), 64, 700
# Of weights, relative to the furthest that one has moved; bf16 has its steps beside it.
MOVED = 1e-5
WEIGHTS = 1_000_000
ADAMW_STEPS = 5


def attention(bench: Bench) -> str:
    """Attention over rows with short and long documents, heads that share keys, and gaps."""
    draw = random.Random(0)
    documents = [[1] * draw.choice([2, 5, 30, 30, 30, 64, 65, 200]) for _ in range(60)]
    cases = {
        f"{heads} heads, {groups} of keys": partial(_attended, documents, heads, groups)
        for heads, groups in ((9, 3), (12, 12))
    }
    return _compared(bench, ATTENTION, cases)


def _compared(bench: Bench, allowed: dict[str, float], cases: dict[str, Computation]) -> str:
    """Each computation on this device against the CPU's in fp32: how far its tensors are apart."""
    import torch

    from tasks.training.engine import TYPES

    lines, met = [], True
    for case, compute in cases.items():
        expected = compute(torch.device("cpu"), torch.float32)
        for precision in bench.types:
            found = compute(bench.device, TYPES[precision])
            gaps = [_gap(a, b) for a, b in zip(expected, found, strict=True)]
            met &= max(gaps) <= allowed[precision]
            parts = ", ".join(f"{gap:.0e}" for gap in gaps)
            lines.append(f"{case}, {precision}: {parts}")
    return require(met, "\n".join(lines))


def _gap(expected: torch.Tensor, found: torch.Tensor) -> float:
    return float((expected - found).abs().max() / expected.abs().max())


def _attended(
    documents: list[list[int]], heads: int, groups: int, device: torch.device, dtype: Any
) -> list[torch.Tensor]:
    """The output of one attention, and its gradients by queries, keys and values; no padding's."""
    import torch

    from tasks.training.compute.packed_attention import attend, laid_out
    from tasks.training.compute.packed_rows import PackedRows, pack
    from tasks.training.data.batches import pad

    tensor, bounds = pack(pad(documents), 512)
    real = tensor[2].flatten() >= 0
    size, generator = (len(real), 64), torch.Generator().manual_seed(0)
    shapes = [(size[0], number, size[1]) for number in (heads, groups, groups, heads)]
    *inputs, grad = (torch.randn(shape, generator=generator).to(device, dtype) for shape in shapes)
    grad = grad * real[:, None, None].to(device)
    for part in inputs:
        part.requires_grad_()
    with laid_out(PackedRows(tensor.to(device), bounds)):
        found = attend(*inputs, 0.125)
    gradients = torch.autograd.grad(found, inputs, grad)
    return [part.detach().float().cpu()[real] for part in (found, *gradients)]


def head(bench: Bench) -> str:
    """The loss over a whole vocabulary, for hidden states of which some have no target."""
    cases = {f"{number:,} tokens": partial(_lost, number) for number in VOCABULARIES}
    return _compared(bench, HEAD, cases)


def _lost(vocabulary: int, device: torch.device, dtype: Any) -> list[torch.Tensor]:
    """The loss, its gradient by hidden states, and by the head's weight."""
    import torch

    from tasks.training.compute.chunked_loss import loss_and_gradient
    from tasks.training.data.batches import IGNORED

    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(TOKENS, SIZE, generator=generator).to(device, dtype)
    weight = torch.randn(vocabulary, SIZE, generator=generator).div(8).to(device, dtype)
    targets = torch.randint(vocabulary, (TOKENS,), generator=generator)
    targets[::9], targets[1] = IGNORED, vocabulary - 1
    weight.grad = torch.zeros_like(weight)
    with torch.no_grad():
        loss, gradient = loss_and_gradient(hidden, weight, targets.to(device))
    return [part.float().cpu() for part in (loss, gradient, weight.grad)]


def optimizer(bench: Bench) -> str:
    """AdamW's steps on bf16 gradients, clipped and not, with decay; what kernel does them."""
    import torch

    from tasks.training.compute import flat_weights, gpu_adamw

    end = [_stepped(device) for device in (torch.device("cpu"), bench.device)]
    moved = float((end[0].master - end[0].base).abs().max())
    gap = float((end[0].master - end[1].master.cpu()).abs().max()) / moved
    rounded = end[1].master.bfloat16()
    same, cleared = torch.equal(rounded, end[1].weights), not bool(end[1].grads.any())
    one = not bench.dry and gpu_adamw.one_pass(flat_weights.BETAS, flat_weights.EPSILON)
    measured = f"masters {gap:.0e} apart, after {ADAMW_STEPS} steps by "
    measured += "a kernel of its own" if one else "torch's kernels"
    measured += f"; weights {'are' if same else 'are not'} their bf16, gradients "
    measured += "cleared" if cleared else "not cleared"
    return require(gap <= MOVED and same and cleared, measured)


def _stepped(device: torch.device) -> Any:
    import torch

    from tasks.training.compute.flat_weights import FlatWeights

    generator = torch.Generator().manual_seed(0)
    start = 0.02 * torch.randn(WEIGHTS, generator=generator)  # about as a model's
    flat = FlatWeights([torch.nn.Parameter(start.to(device))])
    flat.use(torch.bfloat16)
    flat.begin()
    rate, share = torch.tensor(1e-2, device=device), torch.tensor(0.5, device=device)
    for number in range(ADAMW_STEPS):
        size = 10.0 ** (number - 4)  # the last are clipped
        grads = size * torch.randn(len(flat.grads), generator=generator)
        flat.grads.copy_(grads.bfloat16())
        flat.step(rate, share, 1.0, 0.1)
    return flat
