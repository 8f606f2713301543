"""What the pages and the API find of bots in the storage."""

from __future__ import annotations

import logging
from contextlib import suppress

from tasks.core.errors import BadInput, DamagedState, HuggingtweetsError
from tasks.core.names import Bot
from tasks.gallery.entries import Entry, entry_of
from tasks.operations.consents import Consent, load_consents
from tasks.publishing.releases import latest_release
from tasks.storage import Storage
from tasks.storage.opt_outs import is_opted_out

PICTURES = {"picture.png": "predictions.png"}
log = logging.getLogger("huggingtweets")


class UnknownBot(BadInput):
    """No bot of this name has a release."""


def named_bot(name: str) -> Bot:
    """The bot that an address names. Raises UnknownBot for any other spelling."""
    try:
        bot = Bot.parse(name)
    except HuggingtweetsError:
        raise UnknownBot("there is no bot of this name") from None
    if bot.name != name:
        raise UnknownBot("there is no bot of this name")
    return bot


def known_entry(storage: Storage, bot: Bot) -> Entry:
    """What is shown of a bot. Raises UnknownBot where it has no release that can be shown."""
    entry = entry_of(storage, bot)
    if entry is None:
        raise UnknownBot(f"@{bot} has no release that can be shown")
    return entry


def picture_of(storage: Storage, bot: Bot, name: str) -> bytes:
    """One of the `PICTURES` of a bot's release. Raises UnknownBot where there is none."""
    release, file = latest_release(storage, bot), PICTURES.get(name)
    if release and file and not is_opted_out(storage, *bot.handles):
        with suppress(FileNotFoundError):
            return storage.read(f"{release.folder}/{file}")
    raise UnknownBot("there is no such picture")


def consents_of(storage: Storage, bot: Bot) -> list[Consent]:
    """Who has agreed to a bot; a damaged file is logged."""
    try:
        return load_consents(storage, bot)
    except DamagedState as error:
        log.warning("%s", error)
        return []
