"""The machine-readable files of a release: `metrics.json` and `manifest.json`."""

from __future__ import annotations

import math
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tasks.core.records import Base, Counts, Gate, WarmStart
from tasks.publishing.release_contents import ReleaseContents
from tasks.storage import sha256_of

_WARM_STARTS = TypeAdapter(WarmStart)
_EMBEDDED = "embedded"  # the base that is part of this project
_PACKAGES = ("huggingtweets", "torch", "transformers", "safetensors", "huggingface-hub")


def metrics_of(contents: ReleaseContents) -> dict[str, Any]:
    """The content of metrics.json: counts and names by handle, losses in nats a token, texts."""
    evaluation, corpus = contents.evaluation, contents.corpus
    return {
        "bot": contents.bot.name,
        "counts": {handle: _counts(counts) for handle, counts in corpus.counts.items()},
        "names": {each.handle.name: each.display_name for each in contents.profiles},
        "languages": list(contents.languages),
        "sources": list(corpus.sources),
        "first_post": corpus.first_post,
        "last_post": corpus.last_post,
        "characters": corpus.characters,
        "train": corpus.train,
        "held_out": corpus.held_out,
        "held_out_drawn": bool(corpus.drawn),
        "held_out_tokens": evaluation.held_out_tokens,
        "base_loss": _finite(evaluation.base_loss),
        "bot_loss": _finite(evaluation.bot_loss),
        "base_perplexity": evaluation.base_perplexity,
        "bot_perplexity": evaluation.bot_perplexity,
        "samples": evaluation.samples,
        "verbatim": evaluation.verbatim,
        "repeated": evaluation.repeated,
        "repeated_share": evaluation.repeated_share,
        "released_loss": _finite(evaluation.released_loss),
        "compared_loss": _finite(evaluation.compared_loss),
        "compared_posts": evaluation.compared_posts,
        "gate": _gate(contents.gate),
        "predictions": [asdict(each) for each in evaluation.predictions],
        "training": _training(contents),
    }


def manifest_of(contents: ReleaseContents, folder: Path) -> dict[str, Any]:
    """The content of manifest.json: the inputs, and size and SHA-256 of every file in `folder`."""
    corpus = contents.corpus
    return {
        "kind": "release",
        "format": 1,
        "bot": contents.bot.name,
        "revision": contents.revision,
        "fingerprint": contents.checkpoint.fingerprint,
        "created_at": contents.created_at.isoformat(),
        "visibility": contents.visibility,
        "corpus": {**asdict(corpus.file), "filter": corpus.filter},
        "base": _base(contents.base),
        "spec": asdict(contents.spec),
        "warm_start": _warm_start(contents.checkpoint.warm_start),
        "versions": _versions(),
        "files": {path.name: file_entry(path) for path in sorted(folder.iterdir())},
    }


def _base(base: Base) -> dict[str, str | None]:
    """The base without its folder, since a release must not publish local paths.

    id: its public name; None for a local folder.
    """
    is_folder = base.id not in (base.origin, _EMBEDDED)
    return {
        "id": None if is_folder else base.id,
        "origin": base.origin,
        "revision": base.revision,
        "license": base.license,
    }


def _warm_start(warm_start: WarmStart | None) -> dict[str, Any] | None:
    """From which release the training started; None for the base."""
    return None if warm_start is None else asdict(warm_start)


def warm_start_in(manifest: Any) -> WarmStart | None:
    """From which release the training of a manifest's release started; None for the base.

    Older versions always started from the base, and wrote nothing of it.
    """
    try:
        return _WARM_STARTS.validate_python(manifest["warm_start"])
    except (KeyError, TypeError, ValidationError):
        return None


def _training(contents: ReleaseContents) -> dict[str, Any]:
    checkpoint = contents.checkpoint
    return {
        "learning_rate": checkpoint.learning_rate,
        "epochs": checkpoint.epochs,
        "steps": checkpoint.steps,
        "tokens": checkpoint.tokens,
        "seconds": round(checkpoint.seconds, 1),
        "precision": checkpoint.precision,
        "run": contents.tracked.url,
        "preprocess_run": contents.tracked.preprocess_url,
        "history": [
            {"tokens": tokens, "training_loss": _finite(train), "held_out_loss": _finite(held_out)}
            for tokens, train, held_out in checkpoint.history
        ],
    }


def _counts(counts: Counts) -> dict[str, Any]:
    return {
        "downloaded": counts.downloaded,
        "dropped": dict(counts.dropped),
        "kept": counts.kept,
    }


def _gate(gate: Gate | None) -> dict[str, Any] | None:
    if gate is None:
        return None
    figures = {name: _finite(value) for name, value in asdict(gate.figures).items()}
    return {"passed": gate.passed, "reasons": list(gate.reasons), "figures": figures}


def _finite(value: float | None) -> float | None:
    # JSON has no NaN.
    return float(value) if value is not None and math.isfinite(value) else None


def file_entry(path: Path) -> dict[str, Any]:
    """How a manifest lists a file."""
    return {"size": path.stat().st_size, "sha256": sha256_of(path)}


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version_of(name) for name in _PACKAGES}}


def version_of(package: str) -> str:
    """The version of an installed package, or the words `not installed`."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
