"""The JSON of the X API v2 as pages of posts and accounts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.core.errors import HuggingtweetsError, ServerTrouble
from tasks.core.names import Handle
from tasks.core.records import Account, Post, Profile
from tasks.sources.avatar_urls import largest_avatar
from tasks.sources.dates import parse_date
from tasks.sources.post_fields import earlier_versions, kind_of, language_of, text_of
from tasks.sources.x_api.refusals import error_of, refusal_in

SOURCE = "x_api"
_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_PAGE_TOKEN = re.compile(r"[\x21-\x7e]{1,500}")
_LONGEST_NAME = 300


@dataclass(frozen=True)
class Page:
    """One page of a timeline, newest post first.

    posts: without those that an edit has replaced.
    replaced: ids of earlier versions of edited posts, which must not stay beside the newest.
    newest_id, oldest_id: of all posts returned, or None on an empty page.
    returned: the number of posts that X returned, which is what it bills.
    next_token: of the next page, or None on the last.
    """

    posts: list[Post]
    replaced: frozenset[str]
    newest_id: str | None
    oldest_id: str | None
    returned: int
    next_token: str | None


def page_from(body: Mapping[str, Any], handle: Handle) -> Page:
    """The page in a response. Raises AccountUnavailable, ServerTrouble and others."""
    meta = body.get("meta", {})
    found = body.get("data", [])
    if "data" not in body and (body.get("errors") or "meta" not in body):
        raise _refused(body, handle)
    if not isinstance(found, list) or not isinstance(meta, dict):
        raise _unknown_format(handle, "a page")
    posts = [_post(entry, handle) for entry in found]
    replaced = frozenset(old for entry in found for old in _earlier_versions(entry, handle))
    ids = sorted((post.id for post in posts), key=int)
    return Page(
        [post for post in posts if post.id not in replaced],
        replaced,
        ids[-1] if ids else None,
        ids[0] if ids else None,
        len(posts),
        _next_token(meta, handle),
    )


def _refused(body: Mapping[str, Any], handle: Handle) -> HuggingtweetsError:
    return error_of(refusal_in(200, body, f"@{handle}"))


def _unknown_format(handle: Handle, what: str) -> ServerTrouble:
    return ServerTrouble(f"@{handle}: the X API sent {what} in an unknown format: try again later")


def _next_token(meta: Mapping[str, Any], handle: Handle) -> str | None:
    token = meta.get("next_token")
    if token is None:
        return None
    if not isinstance(token, str) or not _PAGE_TOKEN.fullmatch(token):
        raise _unknown_format(handle, "a page's token")
    return token


def _post(entry: object, handle: Handle) -> Post:
    if not isinstance(entry, dict):
        raise _unknown_format(handle, "a post")
    text = text_of(entry)
    if text is None:
        raise _unknown_format(handle, "a post's text")
    post_id = _exact_id(entry.get("id"), handle)
    return Post(
        id=post_id,
        handle=handle,
        created_at=_instant(entry.get("created_at")),
        text=text,
        lang=language_of(entry.get("lang")),
        kind=kind_of(entry, text, is_retweet=False),  # the text of a retweet proves nothing
        source=SOURCE,
        raw=_json(entry, handle),
        replaces=earlier_versions(entry, post_id),
    )


def _exact_id(value: object, handle: Handle) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise _unknown_format(handle, "an id")
    return value


def _instant(value: object) -> datetime | None:
    return parse_date(value) if isinstance(value, str) else None


def _earlier_versions(entry: Mapping[str, Any], handle: Handle) -> set[str]:
    """The ids of all versions of a post but the newest, as the post lists them."""
    history = entry.get("edit_history_tweet_ids")
    if not isinstance(history, list):
        return set()
    versions = {_exact_id(version, handle) for version in history} | {entry["id"]}
    return versions - {max(versions, key=int)}


def _json(entry: Mapping[str, Any], handle: Handle) -> str:
    try:
        return json.dumps(entry)
    except (ValueError, RecursionError) as error:
        raise _unknown_format(handle, "a post") from error


def account_from(body: Mapping[str, Any], handle: Handle, seen_at: datetime) -> Account:
    """The account in a response. Raises AccountUnavailable, ServerTrouble and others."""
    found = body.get("data")
    if found is None:
        raise _refused(body, handle)
    if not isinstance(found, dict):
        raise _unknown_format(handle, "an account")
    name, avatar = found.get("name"), found.get("profile_image_url")
    shown = name[:_LONGEST_NAME] if isinstance(name, str) and name else handle.name
    return Account(
        id=_exact_id(found.get("id"), handle),
        profile=Profile(_own_handle(found, handle), shown, largest_avatar(avatar)),
        protected=found.get("protected") is True,
        posts=_post_count(found.get("public_metrics")),
        seen_at=seen_at,
    )


def _own_handle(found: Mapping[str, Any], handle: Handle) -> Handle:
    """The account's present handle; X keeps its capitals."""
    username = found.get("username")
    try:
        return Handle.parse(username if isinstance(username, str) else "")
    except HuggingtweetsError as error:
        raise _unknown_format(handle, "a handle") from error


def _post_count(metrics: object) -> int | None:
    count = metrics.get("tweet_count") if isinstance(metrics, dict) else None
    is_count = isinstance(count, int) and not isinstance(count, bool) and count >= 0
    return count if is_count else None
