"""What a bot's accounts show of themselves: names and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tasks.core.names import Bot
from tasks.core.records import Profile
from tasks.core.settings import settings
from tasks.ingest.accounts import load_profile
from tasks.storage import Storage


def profiles_of(storage: Storage, bot: Bot) -> tuple[Profile, ...]:
    """The profile of each account, or one with its handle as its name. Raises DamagedState."""
    return tuple(load_profile(storage, h) or Profile(h, h.name) for h in bot.handles)


def avatars_of(storage: Storage, profiles: Sequence[Profile], now: datetime) -> dict[str, bytes]:
    """The pictures that are to be had, as PNG, by handle."""
    from tasks.publishing.avatars import avatar_of

    hosts = settings().avatars
    found = {str(p.handle): avatar_of(storage, p, hosts=hosts, now=now) for p in profiles}
    return {handle: png for handle, png in found.items() if png is not None}
