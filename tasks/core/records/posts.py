"""Posts, and the accounts that wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tasks.core.names import Handle


class Kind(StrEnum):
    """What a post is to others."""

    POST = "post"
    REPLY = "reply"
    QUOTE = "quote"
    RETWEET = "retweet"


@dataclass(frozen=True)
class Post:
    """One tweet as scraped; raw, never edited.

    id: the service's id, or one made from the file's digest and the row's number.
    created_at: aware, UTC; None where the source does not tell.
    lang: BCP 47 code as the source gives it, or None.
    source: `table`, `x_archive`, `x_api` …
    raw: what the source gave, as a JSON object.
    """

    id: str
    handle: Handle
    created_at: datetime | None
    text: str
    lang: str | None
    kind: Kind
    source: str
    raw: str


@dataclass(frozen=True)
class Profile:
    """How an account shows itself.

    display_name: as the owner wrote it: hostile until escaped.
    avatar_url: where the service serves the avatar, or None.
    """

    handle: Handle
    display_name: str
    avatar_url: str | None = None


@dataclass(frozen=True)
class Account:
    """What a service knew an account as, when it was asked.

    id: the service's own, decimal; it outlives a change of the handle.
    protected: whether the posts are for followers only.
    posts: how many the account has by the service's count, or None.
    seen_at: when the service was asked; aware, UTC.
    """

    id: str
    profile: Profile
    protected: bool
    posts: int | None
    seen_at: datetime
