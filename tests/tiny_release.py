"""Whole releases of tiny models: random ones, which write nonsense, or with texts by heart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from tasks.core.names import Bot
from tasks.core.records import WEIGHTS, FileRef, Profile, Release
from tasks.publishing.releases import publish_locally
from tasks.storage import Storage, sha256_of
from tasks.training.export import export_model
from tests.tasks.publishing.examples import make_contents
from tests.tiny import make_tiny_base


def export_tiny(
    folder: Path,
    architecture: str = "llama",
    *,
    ascii_only: bool = False,
    memorised: Sequence[str] = (),
) -> Path:
    """A folder with the files of a trained bot; random weights far from any symmetry.

    memorised: texts that it knows by heart, which takes about a second.
    """
    base, bot = folder / "base", folder / "bot"
    make_tiny_base(base, architecture, ascii_only=ascii_only)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.3)
    tokenizer = AutoTokenizer.from_pretrained(base)
    if memorised:
        _memorise(model, tokenizer, memorised)
    bot.mkdir()
    export_model(model, tokenizer, bot)
    return bot


def _memorise(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> None:
    mark = tokenizer.eos_token
    rows = [tokenizer(f"{mark}{text}{mark}", return_tensors="pt").input_ids for text in texts]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0)
    for _ in range(80):
        optimizer.zero_grad()
        for row in rows:
            model(row, labels=row).loss.backward()
        optimizer.step()


def release_model(storage: Storage, model: Path, name: str = "alice", **changes: Any) -> Release:
    """A release of the model in a folder, as a bot of this name; `changes` are of its contents."""
    bot, key = Bot.parse(name), f"checkpoints/{name}/0123456789abcdef"
    with storage.new_folder(key) as folder:
        for file in model.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        (folder / "manifest.json").write_text(json.dumps({}))
    contents = make_contents()
    counts = contents.corpus.counts["alice"]
    corpus = replace(contents.corpus, bot=bot, counts={str(h): counts for h in bot.handles})
    weights = FileRef(f"{key}/{WEIGHTS}", sha256_of(model / WEIGHTS))
    contents = replace(
        contents,
        bot=bot,
        corpus=corpus,
        checkpoint=replace(contents.checkpoint, weights=weights),
        profiles=tuple(Profile(handle, handle.written) for handle in bot.handles),
    )
    return publish_locally(storage, key, replace(contents, **changes), fonts=())
