"""Error responses of the Community Archive's database as our errors.

PostgREST answers errors as `{code, message, details, hint}`; what stands before it answers pages
or other JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from tasks.core.errors import (
    HuggingtweetsError,
    RateLimited,
    ServerTrouble,
    SourceStopped,
    TokenRefused,
)

GUIDE = "https://www.community-archive.org/docs"
LONGEST_PAUSE = timedelta(days=1)
_SHOWN = 160  # characters of the service's own words


def error_of(
    status: int, headers: Mapping[str, str], body: bytes, about: str, now: datetime
) -> HuggingtweetsError:
    """The error for a response with any status but 200 and 206; `now` is aware."""
    seen = f"{about}: the Community Archive answered {status} {_words(body)}"
    if status == 429:
        return RateLimited(f"{seen}: try later", next_attempt_at=_pause_ends(headers, now))
    if status == 408 or status >= 500:
        return ServerTrouble(f"{seen}: try later")
    if status in (401, 403):
        return TokenRefused(
            f"{seen}: set HUGGINGTWEETS_COMMUNITY_ARCHIVE_KEY to the public key in {GUIDE}"
        )
    if status == 404 or 300 < status < 400:
        return SourceStopped(
            f"{seen}: check HUGGINGTWEETS_COMMUNITY_ARCHIVE_URL, or look whether its tables have "
            f"changed ({GUIDE})"
        )
    return SourceStopped(
        f"{seen}: its tables may have changed: look for a newer version of huggingtweets"
    )


def _words(body: bytes) -> str:
    """The code and message of an error as one short printable line."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return "without a reason"
    if not isinstance(found, dict):
        return "without a reason"
    words = [found.get(name) for name in ("code", "message", "hint")]
    said = " ".join(word for word in words if isinstance(word, str) and word)
    line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    return f"({line[:_SHOWN]})" if line else "without a reason"


def _pause_ends(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """When the pause ends by `retry-after`, None if it does not say."""
    try:
        ends = now.astimezone(UTC) + timedelta(seconds=float(headers["retry-after"]))
    except (KeyError, ValueError, OverflowError):
        return None
    return min(max(ends, now), now + LONGEST_PAUSE)
