"""What a post is to others, told from what a source says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.core.records import Kind

_NOTHING = frozenset(("", "0", "0.0", "f", "false", "n", "no", "nan", "null", "none", "{}", "[]"))


def says_yes(value: object) -> bool:
    """Whether a cell holds something: a flag that is set, an id, an object.

    What programs write for an absent value (`NaN`, `null`, `False`, `0` …) is nothing.
    """
    return value is not None and str(value).strip().lower() not in _NOTHING


def kind_of(post: Mapping[str, Any], text: str) -> Kind:
    """The kind of a post as the X archives write it.

    A recent archive tells a retweet by nothing but the start of its text.
    """
    if text.startswith("RT @") or says_yes(post.get("retweeted_status")):
        return Kind.RETWEET
    if says_yes(post.get("in_reply_to_status_id")) or says_yes(post.get("in_reply_to_user_id")):
        return Kind.REPLY
    if says_yes(post.get("quoted_status")) or says_yes(post.get("quoted_status_id")):
        return Kind.QUOTE
    return Kind.POST
