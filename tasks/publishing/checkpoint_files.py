"""The model files that a release takes from its checkpoint."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

from tasks.core.errors import BadInput
from tasks.core.records import ADAPTER_WEIGHTS
from tasks.publishing.card_metadata import hub_id
from tasks.publishing.modelfile import NAME as MODELFILE
from tasks.publishing.release_contents import ReleaseContents
from tasks.storage import sha256_of

# Older tokenizers have more files than tokenizer.json.
_TOKENIZER = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.json")
_TOKENIZER_NEEDED = ("tokenizer.json", "tokenizer_config.json")
_FULL = ("model*.safetensors*", "config.json", "generation_config.json")
_FULL_NEEDED = ("config.json", "generation_config.json")
_ADAPTER_CONFIG = "adapter_config.json"
# Without config.json, since transformers would take the folder for a whole model.
_ADAPTER = (ADAPTER_WEIGHTS, _ADAPTER_CONFIG, "generation_config.json")
# Of a release that is written anew, which has the same weights.
_OTHER_FORMATS = ("*.gguf", MODELFILE)
_LARGE = (".safetensors", ".gguf")


def add_model_files(source: Path, target: Path, contents: ReleaseContents) -> None:
    """Put the checkpoint's model, or its adapter in PEFT's format, into a release.

    Raises BadInput for missing or changed files.
    """
    weights = Path(contents.checkpoint.weights.uri).name
    patterns, needed = (
        (_ADAPTER, (_ADAPTER_CONFIG,)) if contents.is_adapter else (_FULL, _FULL_NEEDED)
    )
    for pattern in (*patterns, *_TOKENIZER, "merges.txt", *_OTHER_FORMATS):
        for path in source.glob(pattern):
            _add(path, target / path.name)
    for name in (weights, *needed, *_TOKENIZER_NEEDED):
        if not (target / name).is_file():
            raise BadInput(f"{contents.bot}: the checkpoint has no {name}: train it again")
    if sha256_of(target / weights) != contents.checkpoint.weights.sha256:
        raise BadInput(f"{contents.bot}: the checkpoint's weights have changed: train it again")
    if contents.is_adapter:
        _name_base(target / _ADAPTER_CONFIG, contents)


def _add(source: Path, target: Path) -> None:
    # Weights are never changed in place, so the checkpoint and its releases share them on disk.
    # Other files are small, and somebody may edit one of them by hand.
    if source.suffix in _LARGE:
        with suppress(OSError):  # across file systems, or where there are no hard links
            target.hardlink_to(source)
            return
    shutil.copyfile(source, target)


def _name_base(path: Path, contents: ReleaseContents) -> None:
    """Write the base's public name into the adapter's config, instead of a local folder."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        config["base_model_name_or_path"] = hub_id(contents.base) or contents.base.origin
    except (ValueError, TypeError) as error:
        raise BadInput(
            f"{contents.bot}: the checkpoint's {_ADAPTER_CONFIG} is damaged: train it again"
        ) from error
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
