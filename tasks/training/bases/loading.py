"""Models and tokenizers, read from a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.core.errors import BaseUnavailable


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in a folder. Raises BaseUnavailable."""
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise BaseUnavailable(
            f"base {folder}: no usable tokenizer in it ({_first(error)})"
        ) from error


def load_model(folder: Path, device: torch.device, dtype: torch.dtype) -> Any:
    """The causal LM in a folder, from safetensors only. Raises BaseUnavailable.

    It is in evaluation mode and stays there, in training too: dropout, which GPT-2's config asks
    for, makes bots worse on texts as short as posts.
    On the CPU the plain attention is used: there, on texts as short as posts, the fused kernel's
    backward pass makes a bf16 step a fifth slower (334 against 409 tokens a second), and an fp32
    step no faster.
    """
    attention = "sdpa" if device.type == "cuda" else "eager"
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation=attention,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise BaseUnavailable(
            f"base {folder}: no causal language model in safetensors ({_first(error)})"
        ) from error
    model, report = loaded
    if missing := sorted(report["missing_keys"]):
        raise BaseUnavailable(
            f"base {folder}: {len(missing)} of its weights are missing, such as {missing[0]}; "
            "choose a causal language model"
        )
    return model.to(device).eval()


@torch.no_grad()
def check_causal(model: Any, name: str) -> None:
    """Raises BaseUnavailable for a model whose tokens see those after them, such as BERT.

    transformers loads such a model as a causal one all the same; trained, it has a low loss, since
    every token can be copied, and writes nonsense.
    """
    ids = torch.zeros((2, 4), dtype=torch.long, device=next(model.parameters()).device)
    ids[1, -1] = 1
    first, second = model(input_ids=ids, use_cache=False).logits[:, 0].float()
    if not torch.allclose(first, second, rtol=1e-4, atol=1e-5, equal_nan=True):
        raise BaseUnavailable(
            f"base {name}: what it says of a token depends on the tokens after it; "
            "choose a causal language model"
        )


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
