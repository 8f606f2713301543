"""Dropout where a layer joins the stream, for any architecture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch.nn import functional


@contextmanager
def dropping(model: Any, share: float) -> Iterator[None]:
    """Within the block this share of what attention and feed-forward layers give is dropped.

    The model stays in evaluation mode, so that its own config's dropout stays off.
    """

    def hook(_module: Any, _inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return functional.dropout(output[0], share), *output[1:]
        return functional.dropout(output, share)

    with ExitStack() as hooks:
        if share:
            for module in model.modules():
                if type(module).__name__.endswith(("Attention", "MLP")):
                    hooks.callback(module.register_forward_hook(hook).remove)
        yield
