"""What X's programs put around posts in JSON, and what they write between them.

An archive has each post under the key `tweet`; a page of the API has posts under `data`, and their
authors under `includes`; a stream has one post under `data`. Between the posts of a stream there
are notices, such as of a deletion, which are no posts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.sources.table.text_rows import Row

# The keys of a stream's notices, each alone in its object.
_NOTICES = frozenset(
    (
        *("delete", "limit", "scrub_geo", "status_withheld", "user_withheld", "warning"),
        *("disconnect", "control", "friends", "friends_str", "event"),
    )
)
_BESIDE_DATA = frozenset(("data", "includes", "meta", "errors", "matching_rules"))


def is_notice(element: Mapping[str, Any]) -> bool:
    """Whether an object is a notice of a stream, or a page or an error without posts."""
    if len(element) == 1 and not _NOTICES.isdisjoint(element):
        return True
    is_of_page = bool(element) and element.keys() <= _BESIDE_DATA
    return is_of_page and not _posts_in(element.get("data"))


def unwrapped(row: Row) -> Iterator[Row]:
    """The posts in a row of JSON, each as a row of its own; none for a notice."""
    number, element, raw = row
    inner = element.get("tweet")
    if len(element) == 1 and isinstance(inner, dict):
        yield number, inner, raw
    elif is_notice(element):
        return
    elif "data" in element and element.keys() <= _BESIDE_DATA:
        names = _names(element.get("includes"))
        for post in _posts_in(element["data"]):
            yield number, _with_author(post, names), json.dumps(post)
    else:
        yield row


def _posts_in(data: object) -> list[dict[str, Any]]:
    """The posts under `data`: a list of them, or one."""
    found = data if isinstance(data, list) else [data]
    return [each for each in found if isinstance(each, dict)]


def _names(includes: object) -> dict[str, str]:
    """The names of a page's authors, by their ids."""
    users = includes.get("users") if isinstance(includes, dict) else None
    found = [user for user in users if isinstance(user, dict)] if isinstance(users, list) else []
    pairs = ((user.get("id"), user.get("username")) for user in found)
    return {str(key): name for key, name in pairs if isinstance(name, str)}


def _with_author(post: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    name = names.get(str(post.get("author_id")))
    return post if name is None else {**post, "author": {"username": name}}
