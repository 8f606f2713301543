"""The model's files on their way from a checkpoint to a release."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tasks.core.errors import BadInput
from tasks.publishing.context import ADAPTER, ReleaseContext
from tasks.publishing.metadata import hub_id
from tasks.storage import sha256_of

# What older tokenizers keep beside tokenizer.json.
_TOKENIZER = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.json")
_TOKENIZER_NEEDED = ("tokenizer.json", "tokenizer_config.json")
_FULL = ("model*.safetensors*", "config.json", "generation_config.json")
_FULL_NEEDED = ("config.json", "generation_config.json")
_ADAPTER_CONFIG = "adapter_config.json"
# Without a config.json, by which transformers would take the folder for a whole model.
_ADAPTER = (ADAPTER, _ADAPTER_CONFIG, "generation_config.json")


def copy_model(source: Path, target: Path, context: ReleaseContext) -> None:
    """Copy a whole model, or an adapter in the format of PEFT, as the checkpoint says.

    Raises BadInput for files that are missing or were changed.
    """
    weights = Path(context.checkpoint.weights.uri).name
    patterns, needed = (
        (_ADAPTER, (_ADAPTER_CONFIG,)) if context.is_adapter else (_FULL, _FULL_NEEDED)
    )
    for pattern in (*patterns, *_TOKENIZER, "merges.txt"):
        for path in source.glob(pattern):
            # A copy, not a hard link: a later change of one must not reach the other.
            shutil.copyfile(path, target / path.name)
    for name in (weights, *needed, *_TOKENIZER_NEEDED):
        if not (target / name).is_file():
            raise BadInput(f"{context.bot}: the checkpoint has no {name}: train it again")
    if sha256_of(target / weights) != context.checkpoint.weights.sha256:
        raise BadInput(f"{context.bot}: the checkpoint's weights were changed: train it again")
    if context.is_adapter:
        _name_base(target / _ADAPTER_CONFIG, context)


def _name_base(path: Path, context: ReleaseContext) -> None:
    """Let the adapter name its base as others know it, not a folder of this machine."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        config["base_model_name_or_path"] = hub_id(context.base) or context.base.origin
    except (ValueError, TypeError) as error:
        raise BadInput(
            f"{context.bot}: the checkpoint's {_ADAPTER_CONFIG} is damaged: train it again"
        ) from error
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
