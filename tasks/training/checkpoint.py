"""A checkpoint: the best weights of a training, with a manifest that says how they were made."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
import transformers

from tasks.core.records import MANIFEST, Base, Checkpoint, FileRef, Progress, Spec
from tasks.storage import sha256_of
from tasks.training.engine import engine_for
from tasks.training.resume import Resume
from tasks.training.trainer import Trained, training


def train_checkpoint(  # noqa: PLR0913 - what goes in, where to, and under which name
    train: Sequence[str],
    held_out: Sequence[str],
    handles: Sequence[str],
    base: Base,
    spec: Spec,
    folder: Path,
    *,
    fingerprint: str,
    uri: str,
    on_progress: Callable[[Progress], None],
    resume: Resume | None = None,
) -> Checkpoint:
    """Train a bot and fill `folder` with its best weights, or its adapter, the manifest last.

    handles: whose post each training text is. uri: the key under which the folder will be found.
    resume: where an unfinished training is kept; whoever installs the folder removes it.
    Raises BaseUnavailable.
    """
    engine = engine_for(base)
    with (
        engine.busy,
        training(
            engine, train, held_out, spec, handles=handles, on_progress=on_progress, resume=resume
        ) as (trained, export),
    ):
        begun = time.monotonic()
        weights = export(folder)
        trained.seconds_in["save"] = time.monotonic() - begun
    hashes = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    _write_manifest(folder, base, spec, trained, fingerprint, hashes)
    figures = asdict(trained)
    del figures["base_loss"]  # the evaluation's, which measures what was saved
    return Checkpoint(
        uri=uri,
        fingerprint=fingerprint,
        weights=FileRef(f"{uri}/{weights}", hashes[weights]),
        **figures,
    )


def _write_manifest(
    folder: Path,
    base: Base,
    spec: Spec,
    trained: Trained,
    fingerprint: str,
    hashes: dict[str, str],
) -> None:
    manifest = {
        "fingerprint": fingerprint,
        "base": {"id": base.id, "revision": base.revision, "origin": base.origin},
        "spec": asdict(spec),
        "trained": asdict(trained),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "threads": torch.get_num_threads(),
        "files": hashes,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
