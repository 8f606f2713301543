"""Bases by name: embedded, a local folder, or a repository of the Hub."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.core.errors import BaseUnavailable, HuggingtweetsError, NetworkTrouble
from tasks.core.hub_ids import is_model
from tasks.core.records import Base, digest
from tasks.core.settings import settings
from tasks.storage import sha256_of
from tasks.training.bases import embedded

log = logging.getLogger("huggingtweets")

# Safetensors only: other formats can run code when they are read.
_NEEDED = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model", "README.md"]
# Beside config, weights and `tokenizer*`, what a base is computed from: a local one is known by it.
_READ_TOO = (
    "*.index.json",
    "vocab.*",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "*.model",
)
# What lies deeper are the same weights for other programs.
_DEEPER = ["*/*"]
_PATIENCE = 10.0  # seconds for an answer of the Hub, somebody waiting


def resolve_base(
    base_id: str, cache: Path, *, endpoint: str | None = None, revision: str | None = None
) -> Base:
    """The base in a local folder, fetched first where it has to be.

    base_id: `embedded`, a folder, or a Hub id. cache: where fetched bases are kept.
    endpoint: of the Hub, if not the one its client is set to.
    revision: of a base on the Hub, the commit; None for the newest.
    Raises BaseUnavailable, NetworkTrouble.
    """
    if base_id == embedded.NAME:
        return embedded.embedded_base(cache)
    folder = Path(base_id).expanduser()
    if folder.is_dir():
        return _from_folder(base_id, folder.absolute())
    _refuse_what_is_no_id(base_id)
    return _from_hub(base_id, cache / "hub", endpoint, revision)


def refuse_unreachable(base_id: str, cache: Path, *, endpoint: str | None = None) -> None:
    """Ask the Hub for a base that is not in the cache, once, before anything waits for it.

    Arguments and errors as those of `resolve_base`, which fetches it.
    """
    if base_id == embedded.NAME or Path(base_id).expanduser().is_dir():
        return
    _refuse_what_is_no_id(base_id)
    from huggingface_hub import HfApi, try_to_load_from_cache

    with _hub_errors_as_ours(base_id, endpoint):
        if not isinstance(try_to_load_from_cache(base_id, "config.json", cache / "hub"), str):
            HfApi(endpoint, token=_token()).model_info(base_id, timeout=_PATIENCE)


def _refuse_what_is_no_id(base_id: str) -> None:
    if not is_model(base_id):
        raise BaseUnavailable(
            f"base {base_id}: no such folder; give a folder, a Hub id or `{embedded.NAME}`"
        )


def _token() -> str | None:
    token = settings().hub_token
    return token.get_secret_value() if token else None


def _from_folder(base_id: str, folder: Path) -> Base:
    if not list(folder.glob("*.safetensors")) or not (folder / "config.json").is_file():
        raise BaseUnavailable(f"base {base_id}: no config.json with *.safetensors in this folder")
    refuse_unsafe(base_id, folder)
    revision = digest(*((path.name, sha256_of(path)) for path in _computed_from(folder)))
    return Base(base_id, str(folder), revision, f"the local folder {folder.name}")


def _computed_from(folder: Path) -> list[Path]:
    """The files that decide what a model computes and how its tokenizer reads, in a fixed order."""
    found = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    found += sorted(folder.glob("tokenizer*"))
    others = {path for pattern in _READ_TOO for path in folder.glob(pattern)}
    return [path for path in [*found, *sorted(others - set(found))] if path.is_file()]


def refuse_unsafe(base_id: str, folder: Path) -> None:
    """Raises BaseUnavailable where a folder names weights that are no safetensors file in it.

    An index may name pickled weights, which run code when they are read, or files elsewhere; the
    config of an adapter makes transformers look for weights that it names.
    """
    if (folder / "adapter_config.json").exists():
        raise BaseUnavailable(
            f"base {base_id}: adapter_config.json: this is an adapter, not a whole model; choose "
            "its base"
        )
    for index in sorted(folder.glob("*.index.json")):
        for name in _named_by(base_id, index):
            if not (name.endswith(".safetensors") and name == Path(name).name):
                raise BaseUnavailable(
                    f"base {base_id}: {index.name} names {name[:80]!r}, which is no safetensors "
                    "file in this folder; choose a base with safetensors weights"
                )
            if not (folder / name).is_file():
                raise BaseUnavailable(
                    f"base {base_id}: {name[:80]}, which its index names, is gone"
                )


def _named_by(base_id: str, index: Path) -> list[str]:
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        return sorted(map(str, names))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BaseUnavailable(f"base {base_id}: {index.name} is damaged: {error}") from error


def _from_hub(base_id: str, cache: Path, endpoint: str | None, revision: str | None) -> Base:
    from huggingface_hub import snapshot_download

    log.info("looking up base %s on the Hub", base_id)
    with _hub_errors_as_ours(base_id, endpoint):
        found = snapshot_download(
            base_id,
            revision=revision,
            cache_dir=cache,
            allow_patterns=_NEEDED,
            ignore_patterns=_DEEPER,
            token=_token(),
            endpoint=endpoint,
        )
    folder = Path(found)
    if not list(folder.glob("*.safetensors")):
        raise BaseUnavailable(f"base {base_id}: it has no safetensors weights; choose another")
    refuse_unsafe(base_id, folder)
    return Base(base_id, str(folder), folder.name, base_id, _license(folder))


@contextmanager
def _hub_errors_as_ours(base_id: str, endpoint: str | None) -> Iterator[None]:
    """Raise what the Hub's client raises as an error of ours."""
    import httpx2
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    unreachable = NetworkTrouble(
        f"base {base_id}: the Hub cannot be reached at {endpoint or constants.ENDPOINT}, and the "
        f"base is not in the cache; try later, or use a folder or `{embedded.NAME}`"
    )
    try:
        yield
    except HFValidationError as error:
        raise BaseUnavailable(f"base {base_id}: this cannot be a name on the Hub") from error
    except HfHubHTTPError as error:
        raise _of_answer(base_id, error.response.status_code) from error
    except (LocalEntryNotFoundError, httpx2.HTTPError, ConnectionError) as error:
        raise unreachable from error


def _of_answer(base_id: str, status: int) -> HuggingtweetsError:
    if 400 <= status < 500 and status not in (408, 429):
        return BaseUnavailable(
            f"base {base_id}: the Hub has no such model that may be read ({status}); check its "
            "name, or set HUGGINGTWEETS_HUB_TOKEN where it asks for a login"
        )
    return NetworkTrouble(f"base {base_id}: the Hub answered {status}; try later")


def _license(folder: Path) -> str | None:
    """What the model's own card says; None where it says nothing that can be read."""
    import yaml  # type: ignore[import-untyped]  # its types are a package of their own
    from huggingface_hub import ModelCard

    try:
        card = ModelCard((folder / "README.md").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, yaml.YAMLError):
        return None  # a base without a readable card is still a base
    found = getattr(card.data, "license", None)
    return found if isinstance(found, str) else None
