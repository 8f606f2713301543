"""Times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = (
    (86_400 * 365, "year"),
    (86_400 * 7, "week"),
    (86_400, "day"),
    (3_600, "hour"),
    (60, "min"),
)


def ago(text: str | None, now: datetime | None = None) -> str:
    """How long an ISO time is past, or ahead, in its largest unit: `3 hours ago`."""
    try:
        then = datetime.fromisoformat(text or "")
    except ValueError:
        return "–"
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    for size, unit in _UNITS:
        if abs(seconds) >= size:
            number = int(abs(seconds) // size)
            many = "s" if number > 1 and unit != "min" else ""
            return f"{number} {unit}{many} ago" if seconds > 0 else f"in {number} {unit}{many}"
    return "now"
