"""The site, from the releases that are in force: into a folder, or onto a Space of the Hub."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from tasks.core.errors import BadInput, PermanentError
from tasks.core.settings import settings
from tasks.gallery.entries import Q8, Entry, entries_of, entry_of
from tasks.gallery.hub_space import HubSpace
from tasks.gallery.local_site import Written, check_folder, write_site
from tasks.gallery.pages import SiteLook
from tasks.gallery.site_files import SiteFiles
from tasks.gallery.wllama import wllama_files
from tasks.operations.gguf_export import add_gguf
from tasks.operations.site_places import SitePlace, note_site
from tasks.publishing.card_metadata import HUB
from tasks.publishing.releases import latest_release
from tasks.storage import Storage
from tasks.storage.drafts import temporary_folder

log = logging.getLogger("huggingtweets")
# Hosts that huggingface.co sends a browser on to for large files.
_HUB_FILES = ("https://*.hf.co", "https://*.huggingface.co")


@dataclass(frozen=True)
class Built:
    """A build of the site: where, of how many bots, and what changed; bytes: of all its files."""

    place: str
    bots: int
    files: int
    written: int
    removed: int
    bytes: int


def check_place(place: SitePlace) -> None:
    """Raises BadInput for what can be known to fail before anything is read."""
    if place.space is None:
        check_folder(Path(place.target))
    else:
        _hub_token(place)


def _hub_token(place: SitePlace) -> SecretStr:
    if (token := settings().hub_token) is None:
        raise BadInput(f"site {place}: set HUGGINGTWEETS_HUB_TOKEN to push it")
    return token


def build_site(storage: Storage, place: SitePlace) -> Built:
    """Bring the site at a place up to date.

    Raises BadInput, StorageUnusable; NetworkTrouble where wllama is not here yet and cannot be
    fetched, or the Hub does not answer.
    """
    check_place(place)
    entries = list(entries_of(storage, private=place.private))
    # Before it is built: a removal then finds it, also after an interrupted build.
    note_site(storage, place, [entry.bot.name for entry in entries])
    written = (
        _build_folder(storage, place, entries)
        if place.space is None
        else _build_space(storage, place.space, _hub_token(place), entries)
    )
    return Built(
        place.target, len(entries), written.files, written.written, written.removed, written.bytes
    )


def _build_folder(storage: Storage, place: SitePlace, entries: list[Entry]) -> Written:
    wllama = None
    if settings().site_writing and entries:
        entries = [_with_gguf(storage, entry) for entry in entries]
        wllama = wllama_files(settings().cache)
    files = SiteFiles(storage, entries, _look(), wllama).of_folder()
    return write_site(storage, files, Path(place.target), public=not place.private)


def _build_space(
    storage: Storage, space: str, token: SecretStr, entries: Sequence[Entry]
) -> Written:
    endpoint = settings().hub_endpoint
    models = {
        entry.bot.name: f"{entry.hub}/resolve/main/{entry.gguf.name}"
        for entry in entries
        if settings().site_writing and entry.gguf and entry.gguf_on_hub
    }
    repositories = [_repository(entry.hub) for entry in entries if entry.hub]
    wllama = wllama_files(settings().cache) if models else None
    files = SiteFiles(storage, entries, _look(_origins(endpoint)), wllama).of_space(models)
    hub = HubSpace(space, token, endpoint)
    with temporary_folder() as folder:
        write_site(storage, files, folder, public=False)
        written = hub.push(folder, repositories)
    hub.collect(repositories)
    return written


def _look(model_origins: tuple[str, ...] = ()) -> SiteLook:
    """What the settings say of the site."""
    return SiteLook(settings().site_url, settings().project_url, settings().contact, model_origins)


def _origins(endpoint: str | None) -> tuple[str, ...]:
    return (endpoint,) if endpoint else (HUB, *_HUB_FILES)


def _repository(url: str) -> str:
    return urlsplit(url).path.strip("/")


def _with_gguf(storage: Storage, entry: Entry) -> Entry:
    """The entry with a GGUF, which is written if there is none; a bot that has none goes on."""
    if entry.gguf is not None:
        return entry
    release = latest_release(storage, entry.bot)
    if release is None or release.revision != entry.revision:
        return entry
    try:
        add_gguf(storage, release, Q8)
    except PermanentError as error:
        log.warning("@%s: cannot write on its page: %s", entry.bot, error)
        return entry
    return entry_of(storage, entry.bot) or entry
