"""The activities of an outbox as posts.

An outbox lists what an account did: `Create` with a post, `Announce` with the address of a post
that it boosted, and others. `to` and `cc` say who may see it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.sources.dates import parse_date
from tasks.sources.mastodon.markup import text_of_markup
from tasks.sources.post_fields import language_of

SOURCE = "mastodon"
_PUBLIC = frozenset(("https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"))
_STATUS = re.compile(r"/(\d{1,20})(?:/activity)?/?\Z", re.ASCII)
_QUOTES = ("quote", "quoteUri", "quoteUrl", "_misskey_quote")


def is_public(activity: Mapping[str, Any]) -> bool:
    """Whether everybody may see it: neither for followers only, nor for those who are named.

    Where the activity and its post differ, both must be public.
    """
    post = activity.get("object")
    parts = [activity, post] if isinstance(post, dict) else [activity]
    return all(_PUBLIC.intersection(_audience(part)) for part in parts)


def _audience(part: Mapping[str, Any]) -> Iterator[str]:
    for name in ("to", "cc"):
        found = part.get(name)
        yield from (each for each in _listed(found) if isinstance(each, str))


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def author_of(activity: Mapping[str, Any]) -> str:
    """The address of the account that did it, empty if it is not given."""
    actor = activity.get("actor")
    found = actor.get("id") if isinstance(actor, dict) else actor
    return found if isinstance(found, str) else ""


def post_of(activity: Mapping[str, Any], handle: Handle, raw: str) -> Post | None:
    """The post or boost in an activity, None if it is something else, such as a like."""
    kind, post = activity.get("type"), activity.get("object")
    if kind == "Create" and isinstance(post, dict):
        return _own(activity, post, handle, raw)
    if kind == "Announce" and isinstance(post, (str, dict)):
        return _boost(activity, post, handle, raw)
    return None


def _own(
    activity: Mapping[str, Any], post: Mapping[str, Any], handle: Handle, raw: str
) -> Post | None:
    markup, language = _content(post)
    identity = _string(post, "id") or _string(activity, "id")
    if markup is None or not identity:
        return None
    warning, text = text_of_markup(_string(post, "summary")), text_of_markup(markup)
    return Post(
        id=_id(identity),
        handle=handle,
        created_at=parse_date(_string(post, "published") or _string(activity, "published")),
        text=f"CW: {warning}\n\n{text}" if warning else text,
        lang=language,
        kind=_kind(post),
        source=SOURCE,
        raw=raw,
    )


def _boost(
    activity: Mapping[str, Any], post: str | Mapping[str, Any], handle: Handle, raw: str
) -> Post | None:
    boosted = post if isinstance(post, str) else _string(post, "id")
    if not (identity := _string(activity, "id")) or not boosted:
        return None
    return Post(
        id=_id(identity),
        handle=handle,
        created_at=parse_date(_string(activity, "published")),
        text=boosted,
        lang=None,
        kind=Kind.RETWEET,
        source=SOURCE,
        raw=raw,
    )


def _content(post: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The HTML of a post and its language, None for what it does not say."""
    content, by_language = post.get("content"), post.get("contentMap")
    known = by_language if isinstance(by_language, dict) else {}
    if not isinstance(content, str):
        content = next((each for each in known.values() if isinstance(each, str)), None)
    language = next((key for key, each in known.items() if each == content), None)
    return content, language_of(language)


def _kind(post: Mapping[str, Any]) -> Kind:
    if post.get("inReplyTo"):
        return Kind.REPLY
    return Kind.QUOTE if any(post.get(name) for name in _QUOTES) else Kind.POST


def _id(identity: str) -> str:
    """A post's number on its server; of other software's addresses a digest."""
    if found := _STATUS.search(identity):
        return found[1]
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _string(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""
