"""Posts, and the accounts that wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tasks.core.names import Handle


class Kind(StrEnum):
    """What kind of post."""

    POST = "post"
    REPLY = "reply"
    QUOTE = "quote"
    RETWEET = "retweet"


@dataclass(frozen=True)
class Post:
    """One tweet as scraped; raw, never edited.

    id: the service's id, or one made from the text, see `made_ids`.
    created_at: aware, UTC; None where the source has none.
    lang: BCP 47 code from the source, or None.
    source: `table`, `x_archive`, `x_api` …
    raw: the source's record, as a JSON object.
    replaces: the ids of earlier versions, if the post was edited; each version has its own.
    former_id: what an earlier version of this program made as its id, if the source has none.
    """

    id: str
    handle: Handle
    created_at: datetime | None
    text: str
    lang: str | None
    kind: Kind
    source: str
    raw: str
    replaces: tuple[str, ...] = ()
    former_id: str | None = None


@dataclass(frozen=True)
class Profile:
    """An account's public profile.

    display_name: as its owner wrote it; hostile until escaped.
    avatar_url: the avatar's address at the service, or None.
    """

    handle: Handle
    display_name: str
    avatar_url: str | None = None


@dataclass(frozen=True)
class Account:
    """An account as a service described it.

    id: the service's, decimal; it stays when the handle changes.
    protected: whether only followers see the posts.
    posts: their number according to the service, or None.
    seen_at: when the service was asked; aware, UTC.
    """

    id: str
    profile: Profile
    protected: bool
    posts: int | None
    seen_at: datetime
