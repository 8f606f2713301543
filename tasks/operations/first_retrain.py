"""The command that makes a bot of stored posts, as hints name it."""

from __future__ import annotations

from tasks.core.names import Bot, Handle
from tasks.core.settings import settings


def first_retrain(bot: Bot | Handle | str) -> str:
    """The command; with the embedded base, which needs no Hub, unless the operator has set one."""
    base = "" if "base" in settings().model_fields_set else " --base embedded"
    return f"huggingtweets retrain {bot}{base}"
