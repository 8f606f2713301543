"""Whether this machine can do what is asked of it: each finding with its remedy."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import HuggingtweetsError
from tasks.core.settings import Settings
from tasks.core.sizes import counted, human_size
from tasks.publishing.card_metadata import HUB
from tasks.publishing.fonts import PACKAGES, missing_fonts
from tasks.registry.entries import load_registry
from tasks.sources.bluesky import client as bluesky
from tasks.sources.community_archive import client as community_archive
from tasks.storage import open_storage

_LEAST_DISK = 5_000_000_000  # bytes; a base, a checkpoint and a release take one of it
_PATIENCE = 5.0  # seconds that a service may take to answer
_SECRETS = {
    "community_archive_key": "the Community Archive; its API guide prints it",
    "hub_token": "pushes to the Hub",
    "x_bearer_token": "the X API",
    "wandb_api_key": "online tracking",
    "notify_url": "notices of failed nights",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    state: `ok`; `note`, which hinders nothing that is set up; or `bad`.
    remedy: what to do about it, or null.
    """

    name: str
    state: str
    seen: str
    remedy: str | None = None


def examine(settings: Settings, server: str | None) -> Iterator[Finding]:
    """Look at everything, in order; server: the URL of Prefect's API, or None. Raises nothing."""
    yield _system()
    yield _engine()
    yield _storage(settings)
    yield from _disk(settings)
    yield _cache(settings)
    yield _base(settings)
    yield _fonts(settings)
    yield _registry(settings)
    yield from _secrets(settings)
    yield from _reachable(settings, server)


def _system() -> Finding:
    seen = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    if sys.platform == "linux":
        return Finding("system", "ok", seen)
    return Finding("system", "note", seen, "tested on Linux only")


def _engine() -> Finding:
    try:
        from tasks.training.compute.precision import describe_device

        return Finding("training", "ok", describe_device())
    except Exception as error:  # noqa: BLE001 - a broken installation raises anything
        return Finding(
            "training", "bad", f"torch cannot be used ({_first(error)})", "install it again"
        )


def _storage(settings: Settings) -> Finding:
    try:
        storage = open_storage(settings.storage)
        storage.require_writable()
    except HuggingtweetsError as error:
        return Finding("storage", "bad", str(error), "correct HUGGINGTWEETS_STORAGE")
    return Finding("storage", "ok", f"{storage.url} can be written to")


def _disk(settings: Settings) -> Iterator[Finding]:
    places = {"disk of the cache": settings.cache}
    if "://" not in settings.storage:
        places["disk of the storage"] = Path(settings.storage)
    for name, path in places.items():
        free = shutil.disk_usage(_existing(path)).free
        seen = f"{human_size(free)} free"
        if free < _LEAST_DISK:
            yield Finding(name, "bad", seen, "make room, or `huggingtweets tidy`")
        else:
            yield Finding(name, "ok", seen)


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    path = Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - it leaves `~nobody` as it is
    return next(each for each in (path, *path.parents) if os.path.exists(each))  # noqa: PTH110 - it raises nothing


def _cache(settings: Settings) -> Finding:
    place = _existing(settings.cache)
    if os.access(place, os.W_OK | os.X_OK):
        return Finding("cache", "ok", str(settings.cache))
    return Finding(
        "cache", "bad", f"{settings.cache} cannot be written to", "set HUGGINGTWEETS_CACHE"
    )


def _base(settings: Settings) -> Finding:
    base = settings.base
    if base == "embedded":
        there = any((settings.cache / "bases").glob("*/manifest.json"))
        seen = "embedded" if there else "embedded, fetched at the first retrain (93 MB)"
        return Finding("base", "ok", seen)
    if Path(base).expanduser().is_dir():
        return Finding("base", "ok", f"the folder {base}")
    there = (settings.cache / "hub" / f"models--{base.replace('/', '--')}").is_dir()
    if there:
        return Finding("base", "ok", base)
    remedy = "without the Hub, set HUGGINGTWEETS_BASE=embedded"
    return Finding("base", "note", f"{base}, fetched from the Hub at the first retrain", remedy)


def _fonts(settings: Settings) -> Finding:
    missing = missing_fonts(settings.cache / "fonts")
    if not missing:
        return Finding("fonts", "ok", f"all {len(PACKAGES)} packages")
    return Finding("fonts", "note", f"missing: {', '.join(missing)}", "`make fonts` fetches them")


def _registry(settings: Settings) -> Finding:
    file = Path(settings.registry)
    if not file.is_file():
        remedy = "for nights, list your bots in it: see deployments/bots.yaml"
        return Finding("registry", "note", f"{file}: there is no such file", remedy)
    try:
        return Finding("registry", "ok", f"{file}: {counted(len(load_registry(file)), 'bot')}")
    except HuggingtweetsError as error:
        return Finding("registry", "bad", str(error), "correct it")


def _secrets(settings: Settings) -> Iterator[Finding]:
    for name, purpose in _SECRETS.items():
        variable = f"HUGGINGTWEETS_{name.upper()}"
        if getattr(settings, name):
            yield Finding(variable, "ok", "set")
        else:
            yield Finding(variable, "note", "not set", f"set it for {purpose}")


def _reachable(settings: Settings, server: str | None) -> Iterator[Finding]:
    places = {
        "the Hub": settings.hub_endpoint or HUB,
        "Bluesky": settings.bluesky_url or bluesky.PUBLIC_URL,
        "the Community Archive": settings.community_archive_url or community_archive.PUBLIC_URL,
    }
    if settings.wandb_api_key and settings.tracking:
        places["Weights & Biases"] = settings.wandb_url or "https://api.wandb.ai"
    if settings.x_accept_terms:
        places["the X API"] = settings.x_api_url or "https://api.twitter.com"
    if server:
        places["Prefect's server"] = f"{server}/health"
    with ThreadPoolExecutor(len(places)) as pool:
        yield from pool.map(_answers, places, places.values())
    if not server:
        seen = "none is named: commands that need one start it for themselves"
        yield Finding("Prefect's server", "ok", seen)


def _answers(name: str, url: str) -> Finding:
    import httpx

    try:
        code = httpx.get(url, timeout=_PATIENCE, follow_redirects=False).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        is_ours = name.startswith("Prefect")
        remedy = "start it, or correct PREFECT_API_URL" if is_ours else "check network and proxy"
        why = "no answer" if isinstance(error, httpx.TimeoutException) else "cannot be reached"
        state = "bad" if is_ours else "note"
        return Finding(name, state, f"{url}: {why}", remedy)
    return Finding(name, "ok", f"{url} answers ({code})")


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
