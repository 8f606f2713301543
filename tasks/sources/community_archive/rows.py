"""Rows of the Community Archive's tables as posts and accounts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.core.names import Handle
from tasks.core.records import Account, Kind, Post, Profile
from tasks.sources.avatar_urls import largest_avatar
from tasks.sources.dates import parse_date

SOURCE = "community_archive"
# The names of the foreign keys: both columns of these tables refer to `tweets`.
_RETWEET = "retweets!fk_retweets_tweet_id(retweeted_tweet_id)"
_QUOTE = "quote_tweets!fk_quote_tweets_tweet_id(quoted_tweet_id)"
POST_COLUMNS = (
    "tweet_id,created_at,full_text,reply_to_tweet_id,reply_to_user_id,reply_to_username,"
    f"archive_upload_id,{_RETWEET},{_QUOTE}"
)
ACCOUNT_COLUMNS = (
    "account_id,username,account_display_name,num_tweets,"
    "all_profile(avatar_media_url,updated_at),archive_upload(id,upload_phase)"
)
_ID = re.compile(r"[0-9]{1,20}", re.ASCII)
_LONGEST_NAME = 200


class MalformedRow(ValueError):
    """A row without a value that every row has; the message names it."""


@dataclass(frozen=True, order=True)
class Place:
    """Where a post stands in its account's timeline, oldest first; created_at is aware, UTC."""

    created_at: datetime
    post_id: str


@dataclass(frozen=True)
class FoundAccount:
    """An account as the archive has it.

    username: as its owner writes it now, lower-case. upload: the number of the newest archive
        that was uploaded whole, None if there is none.
    """

    account: Account
    username: str
    upload: int | None


def post_of(row: Mapping[str, Any], handle: Handle) -> Post:
    """The post in a row of `tweets` with `POST_COLUMNS`. Raises MalformedRow."""
    text = row.get("full_text")
    if not isinstance(text, str):
        raise MalformedRow(f"full_text is {str(text)[:40]!r}")
    place = place_of(row)
    return Post(
        id=place.post_id,
        handle=handle,
        created_at=place.created_at,
        text=text,
        lang=None,
        kind=_kind(row, text),
        source=SOURCE,
        raw=_json(row),
    )


def place_of(row: Mapping[str, Any]) -> Place:
    """The place of a row of `tweets`. Raises MalformedRow."""
    at = row.get("created_at")
    instant = parse_date(at) if isinstance(at, str) else None
    if instant is None:
        raise MalformedRow(f"created_at is {str(at)[:40]!r}")
    return Place(instant, _id(row, "tweet_id"))


def account_of(row: Mapping[str, Any], handle: Handle, seen_at: datetime) -> FoundAccount:
    """The account in a row of `all_account` with `ACCOUNT_COLUMNS`. Raises MalformedRow."""
    username, name = row.get("username"), row.get("account_display_name")
    if not isinstance(username, str):
        raise MalformedRow(f"username is {str(username)[:40]!r}")
    shown = name[:_LONGEST_NAME] if isinstance(name, str) and name.strip() else handle.name
    profiles = sorted(_embedded(row, "all_profile"), key=lambda each: str(each.get("updated_at")))
    avatar = profiles[-1].get("avatar_media_url") if profiles else None
    posts = row.get("num_tweets")
    account = Account(
        id=_id(row, "account_id"),
        profile=Profile(handle, shown, largest_avatar(avatar)),
        protected=False,
        posts=posts if isinstance(posts, int) and posts >= 0 else None,
        seen_at=seen_at.astimezone(UTC),
    )
    return FoundAccount(account, username.strip().lower(), _newest_upload(row))


def _newest_upload(row: Mapping[str, Any]) -> int | None:
    whole = [
        each["id"]
        for each in _embedded(row, "archive_upload")
        if each.get("upload_phase") == "completed" and isinstance(each.get("id"), int)
    ]
    return max(whole, default=None)


def _kind(row: Mapping[str, Any], text: str) -> Kind:
    if text.startswith("RT @") or _embedded(row, "retweets"):
        return Kind.RETWEET
    if row.get("reply_to_tweet_id") or row.get("reply_to_user_id"):
        return Kind.REPLY
    return Kind.QUOTE if _embedded(row, "quote_tweets") else Kind.POST


def _embedded(row: Mapping[str, Any], table: str) -> list[dict[str, Any]]:
    """The rows of another table that belong to a row.

    PostgREST gives a list, or one object where the table has at most one row.
    """
    found = row.get(table)
    rows = found if isinstance(found, list) else [found]
    return [each for each in rows if isinstance(each, dict)]


def _id(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise MalformedRow(f"{name} is {str(value)[:40]!r}")
    return value


def _json(row: Mapping[str, Any]) -> str:
    try:
        return json.dumps(row)
    except (ValueError, RecursionError) as error:
        raise MalformedRow("JSON is nested too deeply") from error
