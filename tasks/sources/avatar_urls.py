"""The addresses of avatars as services and archives of X give them."""

from __future__ import annotations

import re

_LONGEST = 1_000  # characters


def largest_avatar(url: object) -> str | None:
    """The URL of an avatar at 400 × 400 pixels, None if it is not an https URL.

    The one that X returns has 48 × 48.
    """
    if not isinstance(url, str) or not url.startswith("https://") or len(url) > _LONGEST:
        return None
    return re.sub(r"_normal(\.\w+)$", r"_400x400\1", url)
