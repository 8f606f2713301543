"""The loss of a batch and its gradient, without ever holding all logits."""

from __future__ import annotations

import itertools
from typing import Any

import torch

from tasks.training.data.batches import IGNORED

# Tokens whose logits are held at once.
ROWS, ROWS_ON_GPU = 256, 512
# On a GPU products are of a multiple of so many numbers. GPT-2 has 50,257 tokens, and the kernels
# for an odd number of them read one by one: 1.1 ms of a step of 7 on an H100, where these take 0.5.
ALIGNED = 64


def loss_and_gradient(
    hidden: torch.Tensor, head: Any, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The summed loss, in nats, of hidden states (tokens × size), and its gradient by them.

    targets: the token after each, or IGNORED. The gradient by the head's weight is added to
    `head.grad`, if there is one: a frozen head has none. The loss is by log-sum-exp in fp32.
    """
    total = torch.zeros((), device=hidden.device)
    result = torch.empty_like(hidden)
    first, *others = parts = _parts(head)
    for rows, target, out in _chunks(hidden, targets, result):
        logits = _logits(rows, head)
        losses, log_probabilities = _losses(logits, target)
        total += losses.sum()
        counted = (target != IGNORED).float()[:, None]
        grad = log_probabilities.exp_().scatter_add_(1, target.clamp(min=0)[:, None], -counted)
        grad = torch.mul(grad, counted, out=logits)  # in their place and type
        torch.mm(grad[:, first], head[first], out=out)
        for part in others:
            out.addmm_(grad[:, part], head[part])
        if head.grad is not None:
            for part in parts:
                head.grad[part].addmm_(grad[:, part].t(), rows)
    return total, result


def token_losses(hidden: torch.Tensor, head: Any, targets: torch.Tensor) -> torch.Tensor:
    """Each token's loss, as `loss_and_gradient` sums them; zero where the target is IGNORED."""
    chunks = _chunks(hidden, targets, hidden)
    return torch.cat([_losses(_logits(rows, head), target)[0] for rows, target, _ in chunks])


def _chunks(hidden: torch.Tensor, *others: torch.Tensor) -> Any:
    rows = ROWS if hidden.device.type == "cpu" else ROWS_ON_GPU
    return zip(*(torch.split(tensor, rows) for tensor in (hidden, *others)), strict=True)


def _logits(rows: torch.Tensor, head: torch.Tensor) -> torch.Tensor:
    """Of each row, for all tokens."""
    found = rows.new_empty(len(rows), -(-len(head) // _aligned(head)) * _aligned(head))
    for part in _parts(head):
        torch.mm(rows, head[part].t(), out=found[:, part])
    return found[:, : len(head)]


def _parts(head: torch.Tensor) -> list[slice]:
    """All tokens, or an aligned number of them and the rest."""
    tokens = len(head)
    many = tokens - tokens % _aligned(head)
    cuts = [0, many, tokens] if 0 < many < tokens else [0, tokens]
    return [slice(start, end) for start, end in itertools.pairwise(cuts)]


def _aligned(head: torch.Tensor) -> int:
    return 1 if head.device.type == "cpu" else ALIGNED


def _losses(logits: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each row's loss, zero where its target is IGNORED, and all tokens' log-probabilities."""
    log_probabilities = torch.log_softmax(logits, -1, dtype=torch.float32)
    losses = -log_probabilities.gather(1, target.clamp(min=0)[:, None])[:, 0]
    return losses.masked_fill(target == IGNORED, 0.0), log_probabilities
