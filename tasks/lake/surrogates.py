"""Texts that Parquet can store: it uses UTF-8, which has no lone surrogates."""

from __future__ import annotations

import re
from dataclasses import replace

from tasks.core.records import Post

_SURROGATE = re.compile("[\ud800-\udfff]")


def replace_surrogates(post: Post) -> Post:
    """The post itself, or a copy that Parquet can store.

    A lone surrogate becomes U+FFFD, but in `raw` its JSON escape, so that the original can be
    restored.
    """
    try:
        f"{post.id}{post.text}{post.lang}{post.raw}".encode()
    except UnicodeEncodeError:
        return replace(
            post,
            id=_SURROGATE.sub("\ufffd", post.id),
            text=_SURROGATE.sub("\ufffd", post.text),
            lang=None if post.lang is None else _SURROGATE.sub("\ufffd", post.lang),
            raw=post.raw.encode("utf-8", "backslashreplace").decode(),
        )
    return post
