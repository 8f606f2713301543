"""Fields of a post that several sources have: its kind, its language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.core.records import Kind

_ABSENT = frozenset(("", "0", "0.0", "f", "false", "n", "no", "nan", "null", "none", "{}", "[]"))
_LONGEST_LANGUAGE = 35  # characters of a BCP 47 code


def is_set(value: object) -> bool:
    """Whether a cell holds a value: a flag that is set, an id, an object.

    What programs write for an absent value (`NaN`, `null`, `False`, `0` …) is not set.
    """
    if isinstance(value, (dict, list)):
        return bool(value)
    return value is not None and str(value).strip().lower() not in _ABSENT


def language_of(value: object) -> str | None:
    """The language code in a field, None if it holds none."""
    if not isinstance(value, str) or not is_set(value):
        return None
    code = value.strip()
    return code if len(code) <= _LONGEST_LANGUAGE else None


def kind_of(post: Mapping[str, Any], text: str) -> Kind:
    """The kind of a post of an X archive.

    In recent archives only the start of its text shows that a post is a retweet.
    """
    if text.startswith("RT @") or is_set(post.get("retweeted_status")):
        return Kind.RETWEET
    if is_set(post.get("in_reply_to_status_id")) or is_set(post.get("in_reply_to_user_id")):
        return Kind.REPLY
    if is_set(post.get("quoted_status")) or is_set(post.get("quoted_status_id")):
        return Kind.QUOTE
    return Kind.POST
