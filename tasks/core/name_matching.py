"""Whether text or JSON of ours names an account: as a bot, in a message, or in a path.

For the removal of accounts from records such as Prefect's. Whole names are compared, never parts
of words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tasks.core.errors import HuggingtweetsError
from tasks.core.names import MAX_NAME, Bot, Handle

_NAME = r"[A-Za-z0-9_.-]+"
_WITH_AT = re.compile(rf"@({_NAME}(?:@[A-Za-z0-9.-]+)?)")  # also `@alice@mastodon.social`
# Paths in the storage and the cache: `posts/alice/…`, `/cache/wandb/alice-bob/…`.
_BELOW = re.compile(rf"(?<![^/])([a-z-]+)(?=/({_NAME}))")


def is_of(handle: Handle, name: str) -> bool:
    """Whether this is the account's name or that of a bot of it, with or without `@`."""
    if not _may_name(handle, name) or len(name) > MAX_NAME + len("@.json"):
        return False  # true of most names, and faster than parsing
    try:
        return handle in Bot.parse(name.strip(".-").removesuffix(".json")).handles
    except HuggingtweetsError:
        return False


def _may_name(handle: Handle, text: str) -> bool:
    """Whether a text contains what all ways to write a handle have in common."""
    return handle.written.partition("@")[0] in text.lower()


def names_in(text: str) -> list[str]:
    """The names after an `@` in a text."""
    return _WITH_AT.findall(text)


def is_titled(handle: Handle, title: str) -> bool:
    """Whether a title or a message names the account, as `@alice` or `@alice-bob`."""
    return any(is_of(handle, name) for name in names_in(title))


def untitled(handle: Handle, title: str) -> str:
    """The title with `@…` instead of each `@alice` or `@alice-bob`."""
    return _WITH_AT.sub(lambda found: "@…" if is_of(handle, found[1]) else found[0], title)


def mentions(handle: Handle, value: Any, folders: Collection[str]) -> bool:
    """Whether JSON mentions the account: as a key or a string, at a message's start, in a path.

    folders: names of folders in which each account or bot has a folder or a file of its name.
    """
    return any(_is_about(handle, text, folders) for text in _texts(value))


def _is_about(handle: Handle, text: str, folders: Collection[str]) -> bool:
    if not _may_name(handle, text):
        return False
    leading = _WITH_AT.match(text)
    if is_of(handle, text) or (leading and is_of(handle, leading[1])):
        return True
    return any(parent in folders and is_of(handle, name) for parent, name in _BELOW.findall(text))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield str(key)
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
