"""Whether a device computes what the CPU does: for Apple's GPU, on which nothing here is tested.

A miniature of a training step and of drawing a token; a device that fails, or differs, is not used.
"""

from __future__ import annotations

import logging

import torch

from tasks.training.compute.flat_weights import FlatWeights

log = logging.getLogger("huggingtweets")

_TOLERANCE = 1e-3
_ROWS, _SIZE = 8, 64


def agrees_with_cpu(device: torch.device) -> bool:
    """Whether the device can do both, and gives the same numbers to rounding; else it is logged."""
    try:
        found, expected = _trial(device), _trial(torch.device("cpu"))
    except Exception as error:  # noqa: BLE001 - a backend raises whatever it likes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        log.warning("using the CPU, since torch fails on %s: %s", device.type, reason)
        return False
    if not torch.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE):
        log.warning("using the CPU, since %s computes something else than it", device.type)
        return False
    return True


def _trial(device: torch.device) -> torch.Tensor:
    """What is left after two steps of training a layer, and tokens drawn with it."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(device)

    weight = torch.nn.Parameter(drawn(_SIZE, _SIZE))
    inputs, targets = drawn(_ROWS, _SIZE), torch.arange(_ROWS, device=device)
    flat = FlatWeights([weight])
    for _ in range(2):
        logits = _logits(inputs, weight)
        torch.autograd.backward(torch.nn.functional.cross_entropy(logits, targets, reduction="sum"))
        one = torch.ones((), device=device)
        flat.step(one * 1e-2, one / _ROWS, clip=1.0, decay=0.1)
    with torch.no_grad():
        logits = _logits(inputs, weight)
        top, places = logits.topk(_SIZE // 2)
        reached = top.softmax(-1).cumsum(-1)
        half = reached[:, -1:] / 2
        tokens = places.gather(1, torch.searchsorted(reached, half, right=True))
        kept = torch.zeros_like(logits).index_copy_(0, targets, logits)
        losses = logits.logsumexp(-1, keepdim=True)
        return torch.cat(
            [weight.flatten(), kept.flatten(), losses.flatten(), tokens.flatten()]
        ).cpu()


def _logits(inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Of tokens that attend to those before them, as a layer of a model does."""
    hidden = torch.nn.functional.rms_norm(inputs @ weight.t(), (_SIZE,))
    later = torch.ones(_ROWS, _ROWS, dtype=torch.bool, device=inputs.device).triu(1)
    scores = (hidden @ hidden.t()).masked_fill(later, -torch.inf).softmax(-1)
    return torch.nn.functional.silu(scores @ hidden)
