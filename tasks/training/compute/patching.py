"""Layers of a transformers model that compute otherwise for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Forward = Callable[..., Any]


@contextmanager
def replaced(model: Any, forward_of: Callable[[Any], Forward | None]) -> Iterator[None]:
    """Within the block layers have the forward that `forward_of` gives, and weights no gradients.

    forward_of: of a layer, or None to leave it as it is.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    changed = []
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        for module in model.modules():
            forward = forward_of(module)
            if forward is not None:
                module.forward = forward
                changed.append(module)
        yield
    finally:
        for module in changed:
            del module.forward
        for parameter in trained:
            parameter.requires_grad_(True)
