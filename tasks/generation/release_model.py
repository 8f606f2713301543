"""The model of a release: an adapter's on the very base that it was trained on, or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tasks.core.errors import BaseUnavailable
from tasks.core.records import MANIFEST, Base
from tasks.training.adapters import has_adapter
from tasks.training.bases.loading import load_model
from tasks.training.export import import_weights


def load_release(
    release: Path, device: torch.device, dtype: torch.dtype, base_id: str | None = None
) -> Any:
    """The model of a release's folder. Raises as `base_of` does; base_id: as there."""
    if not has_adapter(release):
        return load_model(release, device, dtype)
    model = load_model(Path(base_of(release, base_id).folder), device, dtype)
    import_weights(model, release)
    return model


def base_of(release: Path, base_id: str | None = None) -> Base:
    """The base of the adapter that a release's folder holds, fetched where it has to be.

    base_id: what the operator names it; None for what the release does, or else the settings.
    Raises BaseUnavailable, also for another base; NetworkTrouble.
    """
    # Here, since a machine that only trains and measures has no settings.
    from tasks.core.settings import settings
    from tasks.training.bases.base_models import resolve_base

    trained_on = _trained_on(release)
    asked = base_id or trained_on.get("id") or settings().base
    revision = trained_on["revision"] if asked == trained_on["origin"] else None
    base = resolve_base(
        asked, settings().cache, endpoint=settings().hub_endpoint, revision=revision
    )
    if base.revision != trained_on["revision"]:
        raise BaseUnavailable(
            f"{release}: an adapter of {trained_on['origin']}, not of {asked} as it is now: name "
            "its base with --base"
        )
    return base


def _trained_on(release: Path) -> dict[str, Any]:
    try:
        base = json.loads((release / MANIFEST).read_text(encoding="utf-8"))["base"]
        return {"origin": base["origin"], "revision": base["revision"], "id": base.get("id")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaseUnavailable(
            f"{release}: its {MANIFEST} does not name the adapter's base: train the bot again"
        ) from error
