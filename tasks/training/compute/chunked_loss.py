"""The loss of a batch and its gradient, without ever holding all logits."""

from __future__ import annotations

from typing import Any

import torch

from tasks.training.data.batches import IGNORED

# Tokens whose logits are held at once.
ROWS = 256


def loss_and_gradient(
    hidden: torch.Tensor, head: Any, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The summed loss, in nats, of hidden states (tokens × size), and its gradient by them.

    targets: the token after each, or IGNORED. The gradient by the head's weight is added to
    `head.grad`, if there is one: a frozen head has none. The loss is by log-sum-exp in fp32.
    """
    total = torch.zeros((), device=hidden.device)
    result = torch.empty_like(hidden)
    for rows, target, out in _chunks(hidden, targets, result):
        losses, log_probabilities = _losses(rows, head, target)
        total += losses.sum()
        counted = (target != IGNORED).float()[:, None]
        grad = log_probabilities.exp_().scatter_add_(1, target.clamp(min=0)[:, None], -counted)
        grad = grad.mul_(counted).to(head.dtype)
        torch.mm(grad, head, out=out)
        if head.grad is not None:
            head.grad.addmm_(grad.t(), rows)
    return total, result


def token_losses(hidden: torch.Tensor, head: Any, targets: torch.Tensor) -> torch.Tensor:
    """Each token's loss, as `loss_and_gradient` sums them; zero where the target is IGNORED."""
    chunks = _chunks(hidden, targets, hidden)
    return torch.cat([_losses(rows, head, target)[0] for rows, target, _ in chunks])


def _chunks(*tensors: torch.Tensor) -> Any:
    return zip(*(torch.split(tensor, ROWS) for tensor in tensors), strict=True)


def _losses(
    rows: torch.Tensor, head: torch.Tensor, target: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each row's loss, zero where its target is IGNORED, and all tokens' log-probabilities."""
    log_probabilities = torch.log_softmax(rows @ head.t(), -1, dtype=torch.float32)
    losses = -log_probabilities.gather(1, target.clamp(min=0)[:, None])[:, 0]
    return losses.masked_fill(target == IGNORED, 0.0), log_probabilities
