"""A trained model as files that `transformers.pipeline` reads without further arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import GenerationConfig

from tasks.core.records import WEIGHTS
from tasks.training.adapters import has_adapter, merge_adapter, save_adapter
from tasks.training.bases.loading import load_model, load_tokenizer
from tasks.training.data.documents import Marks, context_of, marks_of

# The original's: a post with room to spare.
MAX_LENGTH = 160


def export_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write weights (bf16), configs and tokenizer. Tied weights are written once.

    tokenizer: the base's; it is changed into the bot's.
    """
    marks = marks_of(tokenizer)
    _save_weights(model, folder / WEIGHTS)
    _save_config(model, folder, marks, _prefix(tokenizer, marks))
    _save_for_writing(model, tokenizer, marks, folder)


def export_adapter(adapted: Any, tokenizer: Any, folder: Path) -> None:
    """Write an adapter's files, and what is needed to write with it.

    adapted: peft's model. tokenizer: the base's; it is changed into the bot's.
    """
    save_adapter(adapted, folder)
    _save_for_writing(adapted, tokenizer, marks_of(tokenizer), folder)


def _save_for_writing(model: Any, tokenizer: Any, marks: Marks, folder: Path) -> None:
    context = context_of(model.config.get_text_config(), MAX_LENGTH)
    _generation_config(marks, context).save_pretrained(folder)
    _save_tokenizer(tokenizer, marks, folder)


def _prefix(tokenizer: Any, marks: Marks) -> str:
    """What the text-generation pipeline is to put before every prompt, without echoing it."""
    adds_it_by_itself = tokenizer("").input_ids[:1] == [marks.begin]
    return "" if adds_it_by_itself else marks.begin_text


def _save_tokenizer(tokenizer: Any, marks: Marks, folder: Path) -> None:
    tokenizer.chat_template = None  # a bot continues a post; it does not chat
    # A chat model's tokenizer names its turn's marks here.
    tokenizer.bos_token, tokenizer.eos_token = marks.begin_text, marks.end_text
    tokenizer.pad_token = marks.end_text
    # Else blanks before punctuation, which a bot may have learnt, vanish from what it writes.
    tokenizer.clean_up_tokenization_spaces = False
    tokenizer.save_pretrained(folder)


def _save_weights(model: Any, path: Path) -> None:
    # Parameters are named once even where two modules share them, so ties are kept by leaving
    # the second name out, as save_pretrained does.
    weights = {
        name: parameter.detach().to("cpu", torch.bfloat16).contiguous()
        for name, parameter in model.named_parameters()
    }
    save_file(weights, path, metadata={"format": "pt"})


def _save_config(model: Any, folder: Path, marks: Marks, prefix: str) -> None:
    config = model.config.to_dict()
    for entry in ("quantization_config", "auto_map", "_name_or_path", "task_specific_params"):
        config.pop(entry, None)
    config |= {
        "architectures": [type(model).__name__],
        "bos_token_id": marks.begin,
        "dtype": "bfloat16",
        "eos_token_id": marks.end,
        # Left out, since a pad token that is the begin mark as well makes GPT-2 warn of padding at
        # every prompt; generation_config.json has it.
        "pad_token_id": None,
        "prefix": prefix,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _generation_config(marks: Marks, max_length: int) -> GenerationConfig:
    """How the pipeline samples; the temperature stands there because its default is another."""
    return GenerationConfig(  # type: ignore[no-untyped-call]  # transformers is untyped here
        do_sample=True,
        min_length=10,
        max_length=max_length,
        temperature=1.0,
        top_p=0.95,
        top_k=0,
        bos_token_id=marks.begin,
        eos_token_id=marks.end,
        pad_token_id=marks.end,
    )


@torch.no_grad()
def import_weights(model: Any, folder: Path) -> None:
    """Put the exported weights into a model of the same architecture, in place.

    An exported adapter is merged into the weights that the model has, which must be its base's.
    Raises BaseUnavailable for an adapter that is damaged or of another base.
    """
    if has_adapter(folder):
        merge_adapter(model, folder)
        return
    saved = load_file(folder / WEIGHTS)
    for name, parameter in model.named_parameters():
        parameter.copy_(saved[name])


def export_merged(adapter: Path, base: Path, folder: Path) -> None:
    """Write an adapter and its base as one whole model, as `export_model` does.

    Raises BaseUnavailable where the adapter is damaged or of another base.
    """
    model = load_model(base, torch.device("cpu"), torch.float32)
    import_weights(model, adapter)
    export_model(model, load_tokenizer(base), folder)
