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

from tasks.core.records import MANIFEST, Base, Checkpoint, FileRef, Progress, Spec, WarmStart
from tasks.storage import sha256_of
from tasks.training.engine import engine_for
from tasks.training.post_losses import PostLosses, weights_name
from tasks.training.resume import Resume
from tasks.training.schedule import warm_spec
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
    parent: Path | None = None,
    warm_start: WarmStart | None = None,
    resume: Resume | None = None,
    known: PostLosses | None = None,
) -> Checkpoint:
    """Train a bot and fill `folder` with its best weights, or its adapter, the manifest last.

    handles: whose post each training text is. uri: the key under which the folder will be found.
    parent: the folder of the model that a warm start begins from; warm_start: what it is.
    resume: where an unfinished training is kept; whoever installs the folder removes it.
    known: losses of held-out posts that were measured before; new ones are added.
    Raises BaseUnavailable.
    """
    engine, known = engine_for(base), known or PostLosses()
    # Of a warm start each new post is read once, whosever it is: among few new posts, one account's
    # only one would be read again and again to balance another's many.
    recipe, owners = (spec, handles) if parent is None else (warm_spec(spec), None)
    with (
        engine.busy,
        training(
            engine,
            train,
            held_out,
            recipe,
            handles=owners,
            parent=parent,
            parent_digest=warm_start.weights.sha256 if warm_start else "",
            on_progress=on_progress,
            resume=resume,
            known=known,
        ) as (trained, export),
    ):
        begun = time.monotonic()
        weights = export(folder)
        trained.seconds_in["save"] = time.monotonic() - begun
    hashes = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    if trained.nats:
        name = weights_name(trained.precision, hashes[weights])
        known.learn(name, engine.documents(held_out, spec), trained.nats)
    _write_manifest(folder, base, spec, warm_start, trained, fingerprint, hashes)
    figures = asdict(trained)
    for name in ("base_loss", "nats"):  # the evaluation's
        del figures[name]
    return Checkpoint(
        uri=uri,
        fingerprint=fingerprint,
        weights=FileRef(f"{uri}/{weights}", hashes[weights]),
        warm_start=warm_start,
        **figures,
    )


def _write_manifest(
    folder: Path,
    base: Base,
    spec: Spec,
    warm_start: WarmStart | None,
    trained: Trained,
    fingerprint: str,
    hashes: dict[str, str],
) -> None:
    manifest = {
        "fingerprint": fingerprint,
        "base": {"id": base.id, "revision": base.revision, "origin": base.origin},
        "spec": asdict(spec),
        "warm_start": asdict(warm_start) if warm_start else None,
        "trained": {name: value for name, value in asdict(trained).items() if name != "nats"},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "threads": torch.get_num_threads(),
        "files": hashes,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
