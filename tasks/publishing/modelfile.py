"""The `Modelfile` by which Ollama makes a model of a GGUF."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.publishing.gguf_vocabulary import read_json

NAME = "Modelfile"


def render_modelfile(model: Path, gguf: str) -> str:
    """A bot continues a text: no chat, and drawn as `generate` does, by its generation config.

    model: the folder with generation_config.json and tokenizer_config.json. gguf: the file's name,
    beside the Modelfile. Raises BadInput.
    """
    drawing = read_json(model / "generation_config.json")
    end = read_json(model / "tokenizer_config.json").get("eos_token", "")
    lines = [f"FROM ./{gguf}", 'TEMPLATE "{{ .Prompt }}"', *_parameters(drawing)]
    if isinstance(end, dict):  # as transformers 4 saved it
        end = end.get("content", "")
    if end:
        lines.append(f"PARAMETER stop {json.dumps(end, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def _parameters(drawing: Mapping[str, Any]) -> list[str]:
    """Each one is named, since Ollama's own defaults are for chats."""
    values = {
        "temperature": drawing.get("temperature", 1.0),
        "top_p": drawing.get("top_p", 0.95),
        "top_k": drawing.get("top_k", 0),
        "min_p": 0,
        "repeat_penalty": 1,
        "num_predict": drawing.get("max_length", 160),
    }
    return [f"PARAMETER {name} {value:g}" for name, value in values.items()]
