"""Posts that quote another account by hand, as people did before X had quotes."""

from __future__ import annotations

import re

_AT = r"\s*:?\s*[@＠]\w"
_LEADING = re.compile(rf"\W*rt{_AT}", re.IGNORECASE)
_COMMENTED = re.compile(rf"(?<![A-Za-z0-9_@#])[RMQ]T{_AT}")
_IN_QUOTES = re.compile(r"[\"“”„«＂]\s*[@＠]\w{1,15}\s*[:：]")


def is_quoting(text: str) -> bool:
    """Whether a cleaned text quotes another account: `… RT @x`, `"@x: …"`."""
    if "@" not in text and "＠" not in text:
        return False
    found = _LEADING.match(text) or _COMMENTED.search(text) or _IN_QUOTES.search(text)
    return found is not None
