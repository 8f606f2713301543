"""The ids that are made for posts whose source has none."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

MADE = "text-"  # how made ids begin
_SURROGATE = re.compile("[\ud800-\udfff]")  # the lake cannot store it
# Earlier versions of this program made them of the file's digest and the row's number.
FORMER_ID = re.compile(r"([0-9a-f]{16})-\d+")


def former_id(content: str, row: int) -> str:
    """The id that the post in a row of a file had; content: the file's digest, hexadecimal."""
    return f"{content[:16]}-{row}"


class MadeIds:
    """Makes the ids of the posts of one file, in the order of the file.

    An id depends on the post's text and on how often that occurred before in the file. So a file
    that has grown, or whose rows are in another order, gives its posts the same ids; and posts
    with the same text stay apart.
    """

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()

    def next(self, text: str) -> str:
        """The id of the next post with this text."""
        as_stored = _SURROGATE.sub("\ufffd", text)
        key = hashlib.sha256(as_stored.encode()).digest()[:12]
        self._seen[key] += 1
        return f"{MADE}{key.hex()}-{self._seen[key]}"
