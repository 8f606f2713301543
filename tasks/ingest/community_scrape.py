"""Bring an account's posts from the Community Archive into the lake, and resume after a kill.

Posts come oldest first. After each page its rows are stored, and then the watermark moves to its
last post, so that whatever ends a scrape, the next goes on after the last page that is stored;
killed between the two, it fetches one page twice, and the lake drops the duplicates.

A timeline does not only grow at its end: an owner may upload an archive with older posts, or one
with whole texts instead of cut ones. So the watermark names the newest upload, and when there is a
newer one, which is looked for once a week, everything is read again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tasks.core.errors import SourceStopped, TokenRefused
from tasks.core.names import Handle
from tasks.core.records import Account
from tasks.core.settings import Settings
from tasks.ingest.accounts import save_profile
from tasks.ingest.scrape_state import load_account, load_stop, save_account, save_stop
from tasks.lake.posts import Appended, append, state
from tasks.sources.community_archive.client import CommunityArchiveClient
from tasks.sources.community_archive.refusals import GUIDE
from tasks.sources.community_archive.rows import SOURCE, Place
from tasks.sources.community_archive.source import CommunityArchiveSource
from tasks.sources.pace import Pace
from tasks.storage import Storage
from tasks.storage.state_file import StateFiles

_log = logging.getLogger("huggingtweets")
ACCOUNT_AGE = timedelta(days=7)


@dataclass(frozen=True)
class Mark:
    """How far an account was read, oldest post first.

    post_id, created_at: of the last post. upload: the newest uploaded archive when it was begun.
    """

    post_id: str
    created_at: datetime
    upload: int | None


_MARKS = StateFiles("watermarks", Mark, remedy="delete it; all posts are then fetched again")


def open_community_archive(settings: Settings, pace: Pace | None = None) -> CommunityArchiveClient:
    """The Community Archive with the key of the settings. Raises TokenRefused."""
    if settings.community_archive_key is None:
        raise TokenRefused(
            "the Community Archive wants its public key, which its API guide prints: copy it from "
            f"{GUIDE} into HUGGINGTWEETS_COMMUNITY_ARCHIVE_KEY"
        )
    url = settings.community_archive_url
    return CommunityArchiveClient(settings.community_archive_key, url, pace=pace)


def load_mark(storage: Storage, handle: Handle) -> Mark | None:
    """How far an account was read, or None. Raises DamagedState."""
    return _MARKS.load(storage, _name(handle))


def delete_mark(storage: Storage, handle: Handle) -> None:
    """Let the next scrape read everything again. Raises StorageUnusable."""
    _MARKS.delete(storage, _name(handle))


def scrape_from_community(
    handle: Handle, client: CommunityArchiveClient, storage: Storage, run: str
) -> Appended:
    """Fetch an account's new posts from the Community Archive into the lake.

    run: the name of the run: after a refusal that concerns every account, the archive is not asked
    again in it.
    Raises AccountUnavailable, SourceStopped, DamagedState, StorageUnusable, RateLimited with its
    `next_attempt_at`, ServerTrouble, NetworkTrouble.
    """
    if (reason := load_stop(storage, run, SOURCE)) is not None:
        raise SourceStopped(
            f"@{handle}: not asked, since the Community Archive stopped this run ({reason})"
        )
    try:
        return _Scrape(handle, client, storage).run()
    except SourceStopped as error:
        save_stop(storage, run, SOURCE, str(error), _now(client))
        raise


class _Scrape:
    """One scrape of one account."""

    def __init__(self, handle: Handle, client: CommunityArchiveClient, storage: Storage) -> None:
        self._handle = handle
        self._client = client
        self._storage = storage
        self._source = CommunityArchiveSource(handle, client)

    def run(self) -> Appended:
        account = load_account(self._storage, self._handle, SOURCE)
        mark = load_mark(self._storage, self._handle)
        if mark is not None and SOURCE not in state(self._storage, self._handle).sources:
            mark = None  # the posts are gone from the lake: all of them are fetched again
        is_old = account is None or _now(self._client) - account.seen_at >= ACCOUNT_AGE
        if account is None or mark is None or is_old:
            account, mark, upload = self._looked_up(account, mark)
        else:
            upload = mark.upload
        return self._fetch(account, mark, upload)

    def _looked_up(
        self, before: Account | None, mark: Mark | None
    ) -> tuple[Account, Mark | None, int | None]:
        """The account as it is now, and the mark, which does not outlive a new upload."""
        found = self._source.look_up(before)
        if mark is not None and mark.upload != found.upload:
            _log.info("@%s: a new archive was uploaded, reading all of it", self._handle)
            mark = None
        if mark is None:
            delete_mark(self._storage, self._handle)  # first: what is saved now names the upload
        save_account(self._storage, self._handle, SOURCE, found.account)
        save_profile(self._storage, found.account.profile)
        return found.account, mark, found.upload

    def _fetch(self, account: Account, mark: Mark | None, upload: int | None) -> Appended:
        new = seen = 0
        after = None if mark is None else Place(mark.created_at, mark.post_id)
        for page in self._source.pages(account, after):
            if page.is_empty and after is not None and not seen:
                # The newest stored post is gone: it was deleted, or the account has left.
                self._looked_up(account, mark)
            if page.last is None:
                break
            at = _now(self._client)
            new += append(self._storage, self._handle, [page.posts], scraped_at=at).new
            seen += len(page.posts)
            self._save(Mark(page.last.post_id, page.last.created_at, upload))
            _log.info("@%s: %d posts from the Community Archive", self._handle, seen)
        return Appended(new, seen)

    def _save(self, mark: Mark) -> None:
        _MARKS.save(self._storage, _name(self._handle), mark)


def _name(handle: Handle) -> str:
    return f"{handle}/{SOURCE}"


def _now(client: CommunityArchiveClient) -> datetime:
    return datetime.fromtimestamp(client.pace.now(), UTC)
