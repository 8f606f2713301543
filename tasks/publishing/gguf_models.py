"""What llama.cpp needs to know of a model beside its weights, and how it wants these laid out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from tasks.core.errors import BadInput

if TYPE_CHECKING:
    from gguf import GGUFWriter

ARCHITECTURES = ("llama", "gpt2")
# Of GPT-2, the layers that transformers stores with inputs as rows.
_TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


def check_model(config: Mapping[str, Any]) -> None:
    """Raises BadInput for a model that has no GGUF here, with what it is.

    config: of its `config.json`.
    """
    kind = config.get("model_type")
    if kind not in ARCHITECTURES:
        raise BadInput(f"GGUF is written for {' and '.join(ARCHITECTURES)}, and this is {kind!r}")
    if kind == "llama":
        _check("hidden_act", config.get("hidden_act", "silu"), "silu")
        _check("rope_type", _rope(config).get("rope_type", "default"), "default")
    else:
        _check("activation_function", config.get("activation_function"), "gelu_new")
        _check("attention scale", bool(config.get("scale_attn_by_inverse_layer_idx")), False)


def _check(what: str, found: object, known: object) -> None:
    if found != known:
        raise BadInput(
            f"GGUF is written for models whose {what} is {known!r}; here it is {found!r}"
        )


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    # Models that transformers 4 saved have these two at the top.
    found = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return {"rope_theta": config.get("rope_theta", 10_000.0), **found}


def layer_count(config: Mapping[str, Any]) -> int:
    """The number of blocks."""
    return int(config["num_hidden_layers" if config["model_type"] == "llama" else "n_layer"])


def add_parameters(writer: GGUFWriter, config: Mapping[str, Any]) -> None:
    """Write the model's sizes and constants."""
    (_add_llama if config["model_type"] == "llama" else _add_gpt2)(writer, config)


def _add_llama(writer: GGUFWriter, config: Mapping[str, Any]) -> None:
    heads = config["num_attention_heads"]
    head = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(_rope(config)["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def _add_gpt2(writer: GGUFWriter, config: Mapping[str, Any]) -> None:
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_block_count(config["n_layer"])
    writer.add_feed_forward_length(config.get("n_inner") or 4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])


def laid_out(name: str, data: NDArray[Any], config: Mapping[str, Any]) -> NDArray[Any]:
    """A tensor as llama.cpp expects it: outputs as rows, and the rotated pairs side by side.

    name: transformers'.
    """
    if config["model_type"] == "gpt2":
        return data.T if name.endswith(_TRANSPOSED) else data
    heads = config["num_attention_heads"]
    if ".self_attn.q_proj." in name:
        return _interleaved(data, heads)
    if ".self_attn.k_proj." in name:
        return _interleaved(data, config.get("num_key_value_heads") or heads)
    return data


def _interleaved(data: NDArray[Any], heads: int) -> NDArray[Any]:
    """Rows in pairs: transformers rotates the first half of a head's rows against the second."""
    rows = data.shape[0]
    split = data.reshape(heads, 2, rows // heads // 2, *data.shape[1:])
    return split.swapaxes(1, 2).reshape(data.shape)
