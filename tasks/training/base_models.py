"""Bases by name: embedded, a local folder, or a repository of the Hub."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from tasks.errors import BaseUnavailable, NetworkTrouble
from tasks.records import Base, digest
from tasks.storage import sha256_of
from tasks.training import embedded

log = logging.getLogger("huggingtweets")

# Safetensors only: other formats can run code when they are read.
_NEEDED = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model"]
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+|[\w.-]+")


def resolve_base(base_id: str, cache: Path) -> Base:
    """The base in a local folder, fetched first where it has to be.

    base_id: `embedded`, a folder, or a Hub id. cache: where the embedded base is kept.
    Raises BaseUnavailable, NetworkTrouble.
    """
    if base_id == embedded.NAME:
        return embedded.embedded_base(cache)
    folder = Path(base_id).expanduser()
    if folder.is_dir():
        return _from_folder(base_id, folder.absolute())
    if not _HUB_ID.fullmatch(base_id):
        raise BaseUnavailable(
            f"base {base_id}: no such folder; give a folder, a Hub id or `{embedded.NAME}`"
        )
    return _from_hub(base_id)


def _from_folder(base_id: str, folder: Path) -> Base:
    weights = sorted(folder.glob("*.safetensors"))
    config = folder / "config.json"
    if not weights or not config.is_file():
        raise BaseUnavailable(f"base {base_id}: no config.json with *.safetensors in this folder")
    files = [config, *weights, *sorted(folder.glob("tokenizer*"))]
    revision = digest(*((path.name, sha256_of(path)) for path in files))
    return Base(base_id, str(folder), revision, f"the local folder {folder.name}")


def _from_hub(base_id: str) -> Base:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    unknown = f"base {base_id}: the Hub has no such model that may be read; check its name"
    log.info("looking up base %s on the Hub", base_id)
    try:
        folder = Path(snapshot_download(base_id, allow_patterns=_NEEDED))
    except LocalEntryNotFoundError as error:
        raise NetworkTrouble(
            f"base {base_id}: the Hub cannot be reached; try later, or use a folder or "
            f"`{embedded.NAME}`"
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if 400 <= status < 500 and status not in (408, 429):
            raise BaseUnavailable(unknown) from error
        raise NetworkTrouble(f"base {base_id}: the Hub answered {status}; try later") from error
    if not list(folder.glob("*.safetensors")):
        raise BaseUnavailable(f"base {base_id}: it has no safetensors weights; choose another")
    return Base(base_id, str(folder), folder.name, base_id, _license(base_id))


def _license(base_id: str) -> str | None:
    from huggingface_hub import ModelCard
    from huggingface_hub.errors import HfHubHTTPError

    try:
        card = ModelCard.load(base_id)
    except (HfHubHTTPError, OSError, ValueError):
        return None  # a base without a readable card is still a base
    found = card.data.to_dict().get("license")
    return found if isinstance(found, str) else None
