"""A bot as GGUF, for llama.cpp, Ollama, LM Studio and browsers: written whole, and read back.

Written from the safetensors with the package `gguf` alone. Norms, biases and learnt positions stay
fp32, as llama.cpp wants them.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput
from tasks.core.gguf_kinds import GgufKind
from tasks.core.records import WEIGHTS
from tasks.publishing.gguf_models import add_parameters, check_model, laid_out, layer_count
from tasks.publishing.gguf_vocabulary import (
    HARD_TEXT,
    Vocabulary,
    read_json,
    read_vocabulary,
    tokenizer_of,
)
from tasks.publishing.model_tensors import Tensor, read_tensors
from tasks.storage.drafts import draft_file
from tasks.storage.local_files import install_file

_POSITIONS = "position_embd.weight"


@dataclass(frozen=True)
class _Entry:
    """A tensor to write: its name and values as llama.cpp wants them, and its type in the file."""

    name: str
    tensor: Tensor
    kind: Any


@dataclass(frozen=True)
class _Written:
    """A tensor in the file: its type's name, and the SHA-256 of its bytes."""

    kind: str
    sha256: str


def gguf_name(bot: str, kind: str) -> str:
    """The name of a bot's file, as `alice-q8_0.gguf`."""
    return f"{bot}-{kind}.gguf"


def check_gguf(model: Path) -> None:
    """Raises BadInput where the model in a folder cannot be written as GGUF."""
    check_model(read_json(model / "config.json"))


def write_gguf(model: Path, target: Path, kind: GgufKind, *, name: str) -> None:
    """Write the model of a folder as GGUF, whole or not at all, replacing an earlier file.

    model: config.json, model.safetensors and tokenizer.json; of an adapter, merged before.
    name: of the model, for programs that show it.
    Raises BadInput for a model that llama.cpp has no architecture or tokenizer for here, or where
    what was written reads back differently.
    """
    config = read_json(model / "config.json")
    check_model(config)
    with draft_file(target.parent, target.name) as draft:
        try:
            vocabulary, written = _write(model, config, draft, kind, name)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(
                f"{model}: its config or weights are not what their kind of model has "
                f"({type(error).__name__}: {str(error)[:100]})"
            ) from error
        _verify(draft, vocabulary, written, model)
        install_file(draft, target)


def _write(
    model: Path, config: Mapping[str, Any], draft: Path, kind: GgufKind, name: str
) -> tuple[Vocabulary, dict[str, _Written]]:
    import gguf

    logging.getLogger("gguf").setLevel(logging.WARNING)  # else a plan of the file in the log
    vocabulary = read_vocabulary(model, config, int(config["vocab_size"]))
    entries = list(_entries(model, config, kind))
    writer = gguf.GGUFWriter(draft, config["model_type"])
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{kind.upper()}"])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_parameters(writer, config)
    _add_vocabulary(writer, vocabulary)
    for entry in entries:
        block, size = gguf.GGML_QUANT_SIZES[entry.kind]
        shape = entry.tensor.data.shape
        writer.add_tensor_info(
            entry.name, shape, np.dtype(np.float32), math.prod(shape) // block * size, entry.kind
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    written = {}
    for entry in entries:  # one after the other, so that only one is in memory
        data = _encoded(entry)
        writer.write_tensor_data(data)
        written[entry.name] = _Written(entry.kind.name, hashlib.sha256(data.data).hexdigest())
    writer.close()
    return vocabulary, written


def _entries(model: Path, config: Mapping[str, Any], kind: GgufKind) -> Iterator[_Entry]:
    import gguf

    architecture = gguf.MODEL_ARCH[config["model_type"].upper()]
    names = gguf.get_tensor_name_map(architecture, layer_count(config))
    types = gguf.GGMLQuantizationType
    for tensor in read_tensors(model / WEIGHTS):
        name = names.get_name(tensor.name, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise BadInput(f"{model}: llama.cpp has no tensor for {tensor.name}")
        data = laid_out(tensor.name, tensor.data, config)
        if data.ndim < 2 or name == _POSITIONS:
            chosen = types.F32
        else:
            block, _ = gguf.GGML_QUANT_SIZES[types[kind.upper()]]
            chosen = types[kind.upper()] if data.shape[-1] % block == 0 else types.BF16
        yield _Entry(name, Tensor(tensor.name, tensor.dtype, data), chosen)


def _encoded(entry: _Entry) -> NDArray[Any]:
    """The bytes of a tensor in the file."""
    import gguf

    if entry.kind is gguf.GGMLQuantizationType.BF16 and entry.tensor.dtype == "BF16":
        return np.ascontiguousarray(entry.tensor.data).view(np.uint8)  # the very words
    values = np.ascontiguousarray(entry.tensor.as_float32())
    encoded: NDArray[Any] = gguf.quantize(values, entry.kind)
    return encoded


def _add_vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model("gpt2")  # byte-level BPE, whatever the architecture
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(list(vocabulary.tokens))
    writer.add_token_types(list(vocabulary.kinds))
    writer.add_token_merges(list(vocabulary.merges))
    writer.add_bos_token_id(vocabulary.begin)
    writer.add_eos_token_id(vocabulary.end)
    writer.add_pad_token_id(vocabulary.end)
    writer.add_add_bos_token(True)  # a bot begins every post with it
    writer.add_add_eos_token(False)


def _verify(file: Path, expected: Vocabulary, written: dict[str, _Written], model: Path) -> None:
    """Raises BadInput where the file does not read back as what was to be written."""
    import gguf
    from tokenizers import Tokenizer

    reader = gguf.GGUFReader(file)
    found = {
        tensor.name: _Written(
            tensor.tensor_type.name,
            hashlib.sha256(np.ascontiguousarray(tensor.data).data).hexdigest(),
        )
        for tensor in reader.tensors
    }
    wrong = [name for name in written.keys() | found.keys() if written.get(name) != found.get(name)]
    if wrong:
        raise BadInput(f"{file.name}: {len(wrong)} tensors read back differently, as {wrong[0]}")
    if (vocabulary := _read_back(reader)) != expected:
        raise BadInput(f"{file.name}: the vocabulary reads back differently")
    theirs = Tokenizer.from_file(str(model / "tokenizer.json"))
    ids = theirs.encode(HARD_TEXT, add_special_tokens=False).ids
    if tokenizer_of(vocabulary).encode(HARD_TEXT, add_special_tokens=False).ids != ids:
        raise BadInput(f"{file.name}: its tokenizer splits texts otherwise than the bot's")


def _read_back(reader: Any) -> Vocabulary:
    def field(name: str) -> Any:
        return reader.fields[f"tokenizer.ggml.{name}"].contents()

    return Vocabulary(
        field("pre"),
        tuple(field("tokens")),
        tuple(field("token_type")),
        tuple(field("merges")),
        int(field("bos_token_id")),
        int(field("eos_token_id")),
    )
