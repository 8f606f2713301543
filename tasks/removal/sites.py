"""An account's pages on the sites that were built: found by their records, removed by a build."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from tasks.core.errors import HuggingtweetsError
from tasks.core.name_matching import is_of
from tasks.core.names import Handle
from tasks.core.settings import Settings
from tasks.gallery.local_site import LISTING
from tasks.operations.site_building import build_site
from tasks.operations.site_places import KnownSite, SitePlace, drop_bots, forget_site, known_sites
from tasks.removal.inventory import Removal
from tasks.storage import Storage

_log = logging.getLogger("huggingtweets")


class Sites:
    """The sites of a storage; those in folders of other machines cannot be reached."""

    def __init__(self, storage: Storage, settings: Settings) -> None:
        """Nothing is read yet."""
        self._storage, self._settings = storage, settings

    def find(self, handle: Handle) -> tuple[Removal, ...]:
        """The pages of the account's bots."""
        return tuple(
            self._measured(site, bot)
            for site in self._reachable()
            for bot in site.bots
            if is_of(handle, bot)
        )

    def remove(self, handle: Handle) -> tuple[str, ...]:
        """Build each site without the account; returns a sentence on each that stays as it is."""
        left = []
        reachable = list(self._reachable())
        for site in known_sites(self._storage):
            bots = {bot for bot in site.bots if is_of(handle, bot)}
            if not bots:
                continue
            if site not in reachable:
                drop_bots(self._storage, site, bots)
                left.append(
                    f"pages of the site {site.target} on {site.machine} stay until the site is "
                    f"built there: run `huggingtweets site {site.target}`"
                )
            elif sentence := self._rebuilt(site):
                left.append(sentence)
        return tuple(left)

    def _rebuilt(self, site: KnownSite) -> str | None:
        place = SitePlace(site.target, site.private)
        if place.space is None and not (Path(site.target) / LISTING).exists():
            forget_site(self._storage, site)  # it was deleted, or never finished
            return None
        try:
            build_site(self._storage, place)
        except HuggingtweetsError as error:
            return f"pages of the site {place} stay, since it cannot be built ({error})"
        _log.info("site %s: built without the removed account", place)
        return None

    def _reachable(self) -> Iterator[KnownSite]:
        for site in known_sites(self._storage):
            is_space = SitePlace(site.target).space is not None
            if is_space or site.machine == self._settings.machine:
                yield site

    def _measured(self, site: KnownSite, bot: str) -> Removal:
        name = f"{site.target}/bots/{bot}"
        if SitePlace(site.target).space is not None:
            return Removal(name)
        folder = Path(site.target) / "bots" / bot
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        return Removal(name, len(sizes), sum(sizes), machine=site.machine)
