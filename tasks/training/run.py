"""From texts to a checkpoint: train, export, and say in a manifest how."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
import transformers

from tasks.records import Base, Checkpoint, FileRef, Progress, Spec
from tasks.storage import MANIFEST, sha256_of
from tasks.training.engine import Trained, engine_for
from tasks.training.exporting import WEIGHTS, export_model
from tasks.training.loading import load_tokenizer


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
) -> Checkpoint:
    """Train a bot and fill `folder` with its best weights, the manifest last.

    handles: whose post each training text is. uri: the key under which the folder will be found.
    Raises BaseUnavailable.
    """
    engine = engine_for(base)
    with engine.busy:
        trained = engine.train(train, held_out, spec, handles=handles, on_progress=on_progress)
        export_model(engine.model, load_tokenizer(Path(base.folder)), folder)
    _write_manifest(folder, base, spec, trained, fingerprint)
    return Checkpoint(
        uri=uri,
        fingerprint=fingerprint,
        weights=FileRef(f"{uri}/{WEIGHTS}", sha256_of(folder / WEIGHTS)),
        held_out_loss=trained.held_out_loss,
        learning_rate=trained.learning_rate,
        epochs=trained.epochs,
        steps=trained.steps,
        tokens=trained.tokens,
        seconds=trained.seconds,
        precision=trained.precision,
        history=trained.history,
    )


def _write_manifest(
    folder: Path, base: Base, spec: Spec, trained: Trained, fingerprint: str
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
        "files": {path.name: sha256_of(path) for path in sorted(folder.iterdir())},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
