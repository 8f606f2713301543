"""The loss of a batch and its gradient, without ever holding all logits."""

from __future__ import annotations

from typing import Any

import torch

from tasks.training.data.batches import IGNORED

# Tokens whose logits are held at once.
ROWS = 256


def loss_and_gradient(
    hidden: torch.Tensor, head: Any, aims: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The summed loss, in nats, of hidden states (tokens × size), and its gradient by them.

    aims: the token that each is to say, or IGNORED. The gradient by the head's weight is added to
    `head.grad`, if there is one: a frozen head has none. The loss is by log-sum-exp in fp32.
    """
    total = torch.zeros((), device=hidden.device)
    result = torch.empty_like(hidden)
    for rows, aim, out in _chunks(hidden, aims, result):
        losses, chances = _losses(rows, head, aim)
        total += losses.sum()
        counted = (aim != IGNORED).float()[:, None]
        grad = chances.exp_().scatter_add_(1, aim.clamp(min=0)[:, None], -counted)
        grad = grad.mul_(counted).to(head.dtype)
        torch.mm(grad, head, out=out)
        if head.grad is not None:
            head.grad.addmm_(grad.t(), rows)
    return total, result


def loss_only(hidden: torch.Tensor, head: Any, aims: torch.Tensor) -> torch.Tensor:
    """The summed loss, as in `loss_and_gradient`."""
    total = torch.zeros((), device=hidden.device)
    for rows, aim, _ in _chunks(hidden, aims, hidden):
        total += _losses(rows, head, aim)[0].sum()
    return total


def _chunks(*tensors: torch.Tensor) -> Any:
    return zip(*(torch.split(tensor, ROWS) for tensor in tensors), strict=True)


def _losses(
    rows: torch.Tensor, head: torch.Tensor, aim: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each row's loss, zero where its aim is IGNORED, and the log of all chances."""
    chances = torch.log_softmax(rows @ head.t(), -1, dtype=torch.float32)
    losses = -chances.gather(1, aim.clamp(min=0)[:, None])[:, 0]
    return losses.masked_fill(aim == IGNORED, 0.0), chances
