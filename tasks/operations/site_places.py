"""Where the site is built: a folder of this machine, or a Space; and the sites that are known.

sites/<digest>.json   one for each place: which bots it shows, so that a removal finds its pages
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.core.errors import BadInput
from tasks.core.hub_ids import is_repository
from tasks.core.settings import settings
from tasks.storage import Storage
from tasks.storage.state_file import StateFiles

log = logging.getLogger("huggingtweets")
SPACE = "hf://spaces/"


@dataclass(frozen=True)
class SitePlace:
    """A place for a site.

    target: a folder's absolute path, or `hf://spaces/<namespace>/<name>`.
    private: whether private bots are shown.
    """

    target: str
    private: bool = False

    @property
    def space(self) -> str | None:
        """The Space's `namespace/name`, or None for a folder."""
        return self.target.removeprefix(SPACE) if self.target.startswith(SPACE) else None

    def __str__(self) -> str:
        return self.target


@dataclass(frozen=True)
class KnownSite:
    """A site that was built: where, on which machine, and which bots it shows."""

    target: str
    private: bool
    machine: str
    bots: tuple[str, ...]


_SITES = StateFiles("sites", KnownSite, remedy="build the site again", subject="site ")


def place_of(to: str, *, private: bool = False) -> SitePlace:
    """The place that a person named, or that of the settings. Raises BadInput."""
    target = to or settings().site or ""
    if not target:
        raise BadInput("site: name a folder to build it in, or set HUGGINGTWEETS_SITE")
    if target.startswith(SPACE):
        if private:
            raise BadInput("site: a Space is for others: --private is for folders only")
        if not is_repository(target.removeprefix(SPACE)):
            raise BadInput(f"site {target}: write a Space as {SPACE}NAMESPACE/NAME")
        return SitePlace(target)
    if "://" in target:
        raise BadInput(f"site {target}: name a folder, or a Space as {SPACE}NAMESPACE/NAME")
    return SitePlace(str(Path(target).expanduser().absolute()), private)


def own_space() -> SitePlace:
    """The Space to push to: that of the setting, or `huggingtweets` of the namespace.

    Raises BadInput where neither is set.
    """
    if (set_place := settings().site or "").startswith(SPACE):
        return place_of(set_place)
    if settings().hub_namespace is None:
        raise BadInput("site --push: set HUGGINGTWEETS_HUB_NAMESPACE")
    return place_of(f"{SPACE}{settings().hub_namespace}/huggingtweets")


def note_site(storage: Storage, place: SitePlace, bots: list[str]) -> None:
    """Record that a site shows these bots. Raises StorageUnusable."""
    known = KnownSite(place.target, place.private, settings().machine, tuple(bots))
    _SITES.save(storage, _key(known), known)


def known_sites(storage: Storage) -> Iterator[KnownSite]:
    """The sites that were built from this storage; a damaged record is logged."""
    loaded = _SITES.load_all(storage)
    for error in loaded.damaged.values():
        log.warning("%s", error)
    yield from loaded.values.values()


def forget_site(storage: Storage, site: KnownSite) -> None:
    """Drop the record of a site that is gone."""
    _SITES.delete(storage, _key(site))


def drop_bots(storage: Storage, site: KnownSite, bots: set[str]) -> None:
    """Take names out of the record of a site that cannot be reached from here."""
    kept = tuple(bot for bot in site.bots if bot not in bots)
    _SITES.save(storage, _key(site), replace(site, bots=kept))


def _key(site: KnownSite) -> str:
    # A Space is one place for all machines.
    where = "" if site.target.startswith(SPACE) else site.machine
    return hashlib.sha256(f"{where}\n{site.target}".encode()).hexdigest()[:16]
