"""Bring an account's posts from the X API into the lake, within budgets, and resume after a kill.

X's terms prohibit training a model on posts from its API (Developer Agreement III.A, developer
guidelines). So the source is off until an operator takes responsibility with
`HUGGINGTWEETS_X_ACCEPT_TERMS=true`; the archive that an account's owner downloads is the
defensible way.

How a scrape resumes. X returns the newest posts first, so a scrape that ends half-way has the
newest posts and lacks older ones: the watermark must not move yet. After each page this is stored,
in this order: (1) the page's rows; (2) a position `(since_id, newest_id, until_id)`, which says
that everything from `until_id` up to `newest_id` is stored and everything between `since_id` and
`until_id` is missing. After the last page (3) the watermark moves to `newest_id` and (4) the
position is deleted. The next run first fetches what a position says is missing, and then what is
newer than the watermark. Killed between (1) and (2), it fetches one page twice, and the lake drops
the duplicates; killed between (3) and (4), the position is not above the watermark and is ignored.
Each position is true by itself, so that of two concurrent runs either one's may win.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from tasks.core.errors import (
    AccountNotFound,
    AccountRenamed,
    AccountUnavailable,
    DamagedState,
    SourceExhausted,
    SourceStopped,
    TermsNotAccepted,
    TokenRefused,
)
from tasks.core.names import Handle
from tasks.core.records import Account
from tasks.core.settings import Settings
from tasks.ingest.accounts import known_watermark, move_watermark, save_profile
from tasks.ingest.ledger import Prices, ScrapeBudget
from tasks.ingest.scrape_state import (
    Position,
    delete_position,
    load_account,
    load_position,
    load_stop,
    save_account,
    save_position,
    save_stop,
)
from tasks.lake.post_dropping import drop_posts
from tasks.lake.posts import append, state
from tasks.sources.pace import Pace
from tasks.sources.x_api.client import PAGE, XApiClient
from tasks.sources.x_api.responses import SOURCE, Page
from tasks.sources.x_api.source import MAX_POSTS, XApiSource
from tasks.storage import Storage

log = logging.getLogger("huggingtweets")
ACCOUNT_AGE = timedelta(days=7)


@dataclass(frozen=True)
class XScraped:
    """What a scrape fetched.

    new: posts not stored before; seen: posts that X returned and bills.
    stored: posts of the handle in the lake afterwards.
    """

    handle: Handle
    new: int
    seen: int
    stored: int


def open_client(settings: Settings, pace: Pace | None = None) -> XApiClient:
    """The X API, if the operator has accepted its terms and set a token.

    Raises TermsNotAccepted, TokenRefused, BadInput.
    """
    if not settings.x_accept_terms:
        raise TermsNotAccepted(
            "the X API is off: X prohibits training models on posts from its API, and storing "
            "them for it. Import the account owner's own archive (huggingtweets retrain --source "
            "ARCHIVE), or take responsibility with HUGGINGTWEETS_X_ACCEPT_TERMS=true"
        )
    if settings.x_bearer_token is None:
        raise TokenRefused("the X API needs a token: set HUGGINGTWEETS_X_BEARER_TOKEN")
    return XApiClient(settings.x_bearer_token, settings.x_api_url, pace=pace)


def open_budget(
    storage: Storage, settings: Settings, run: str, pace: Pace | None = None
) -> ScrapeBudget:
    """The budget of a run, from the settings; a run that is restarted keeps its name."""
    now = (pace or Pace()).now
    prices = Prices(settings.x_price_post, settings.x_price_user)
    return ScrapeBudget(
        storage,
        run,
        prices,
        settings.x_budget_run,
        settings.x_budget_month,
        lambda: datetime.fromtimestamp(now(), UTC),
    )


def expected_posts(storage: Storage, handle: Handle, *, again: bool = False) -> int:
    """The most posts that the next scrape is likely to return; X is not asked.

    A first scrape, and one of everything again, returns up to 3,200; a later one mostly less than
    a page, so a page is assumed. With a damaged state file it is 3,200 as well: the scrape itself
    reports the file.
    """
    try:
        return _expected(storage, handle, again=again)
    except DamagedState:
        return MAX_POSTS


def _expected(storage: Storage, handle: Handle, *, again: bool) -> int:
    account = load_account(storage, handle, SOURCE)
    most = MAX_POSTS if account is None or account.posts is None else account.posts
    whole = max(min(most, MAX_POSTS), 0)
    position = load_position(storage, handle, SOURCE)
    if position is not None and position.since_id is None:
        return max(whole - position.fetched, PAGE)
    is_first = known_watermark(storage, handle, SOURCE) is None
    return whole if again or is_first else PAGE


def scrape_account(
    handle: Handle, client: XApiClient, budget: ScrapeBudget, *, again: bool = False
) -> XScraped:
    """Fetch an account's new posts from X into the lake, or with `again` all that X returns.

    Stored posts that X leaves out stay. Whatever ends a scrape, the pages so far are stored and
    charged, and the next call resumes after them.
    Raises AccountUnavailable, BudgetExceeded, SourceStopped, DamagedState, StorageUnusable,
    RateLimited with its `next_attempt_at`, ServerTrouble, NetworkTrouble.
    """
    if (reason := load_stop(budget.storage, budget.run, SOURCE)) is not None:
        raise SourceExhausted(f"@{handle}: not asked, since X stopped this run ({reason})")
    try:
        return _Scrape(handle, client, budget).run(again=again)
    except SourceStopped as error:
        save_stop(budget.storage, budget.run, SOURCE, str(error), budget.now())
        raise


class _Scrape:
    """One scrape of one account."""

    def __init__(self, handle: Handle, client: XApiClient, budget: ScrapeBudget) -> None:
        self._handle = handle
        self._budget = budget
        self._storage = budget.storage
        self._source = partial(XApiSource, handle, client, pay=partial(budget.paying, handle))
        self._new = 0
        self._seen = 0

    def run(self, *, again: bool) -> XScraped:
        before = load_account(self._storage, self._handle, SOURCE)
        account = self._account(before)
        expected = _expected(self._storage, self._handle, again=again)
        cost = self._budget.estimate(self._handle, expected)
        log.info(
            "@%s: up to %d posts from X, for up to $%.2f", self._handle, expected, cost.dollars
        )
        try:
            self._fetch(self._source(account=account), again=again)
        except AccountUnavailable:
            if account is before:
                self._look_up(before)  # the reason may be that the account has changed
            raise
        stored = state(self._storage, self._handle).rows
        return XScraped(self._handle, self._new, self._seen, stored)

    def _account(self, before: Account | None) -> Account:
        if before is not None and self._budget.now() - before.seen_at < ACCOUNT_AGE:
            return before
        return self._look_up(before)

    def _look_up(self, before: Account | None) -> Account:
        """Ask X for the account and save the answer. Raises AccountRenamed too."""
        source = self._source()
        try:
            found = source.look_up(before)
        except AccountNotFound:
            if before is None or (now := source.follow(before)) == self._handle:
                raise
            raise AccountRenamed(
                f"@{self._handle}: the account is @{now} now: use that handle"
            ) from None
        save_account(self._storage, self._handle, SOURCE, found)
        save_profile(self._storage, found.profile)
        return found

    def _fetch(self, source: XApiSource, *, again: bool) -> None:
        mark = self._watermark()
        left = load_position(self._storage, self._handle, SOURCE)
        if left is not None and (mark is None or int(left.newest_id) > int(mark)):
            self._descend(source, left.since_id, left)
        self._descend(source, None if again else self._watermark(), None)

    def _watermark(self) -> str | None:
        return known_watermark(self._storage, self._handle, SOURCE)

    def _descend(self, source: XApiSource, since_id: str | None, left: Position | None) -> None:
        """Fetch from the newest post, or on from an unfinished scrape, down to `since_id`."""
        position = left
        until_id = None if left is None else left.until_id
        for page in source.pages(since_id=since_id, until_id=until_id):
            self._store(page)
            position = _below(position, since_id, page)
            if position is not None and page.next_token is not None:
                save_position(self._storage, self._handle, SOURCE, position)
        if position is not None:
            move_watermark(self._storage, self._handle, SOURCE, position.newest_id)
        delete_position(self._storage, self._handle, SOURCE)

    def _store(self, page: Page) -> None:
        if page.posts:
            now = self._budget.now()
            self._new += append(self._storage, self._handle, [page.posts], scraped_at=now).new
        drop_posts(self._storage, self._handle, page.replaced)
        self._seen += page.returned


def _below(position: Position | None, since_id: str | None, page: Page) -> Position | None:
    """The position after a page; an empty page does not change it."""
    if page.newest_id is None or page.oldest_id is None:
        return position
    newest_id = page.newest_id if position is None else position.newest_id
    fetched = page.returned + (0 if position is None else position.fetched)
    return Position(since_id, newest_id, page.oldest_id, fetched)
