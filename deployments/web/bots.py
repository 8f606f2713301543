"""What the pages and the API show of bots, from what is stored."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.core.errors import BadInput, DamagedState, HuggingtweetsError
from tasks.core.names import Bot
from tasks.core.records import Prediction
from tasks.operations.bot_status import BotDetails, BotStatus, status_of, statuses
from tasks.operations.consents import Consent, load_consents
from tasks.publishing.loss_curve import NAME as LOSSES
from tasks.publishing.releases import evaluation_of, latest_release
from tasks.storage import Storage

PICTURES = {"picture.png": "predictions.png", "losses.png": LOSSES}
_POSTS = 3
log = logging.getLogger("huggingtweets")


@dataclass(frozen=True)
class ShownBot:
    """A bot with a release, as the gallery shows it; posts: some that it wrote."""

    status: BotStatus
    written: str
    posts: tuple[str, ...]


@dataclass(frozen=True)
class BotPage:
    """Everything that a bot's page shows; predictions: by their start, in order."""

    details: BotDetails
    written: str
    consents: tuple[Consent, ...]
    predictions: dict[str, list[str]]


class UnknownBot(BadInput):
    """No bot of this name has a release."""


def shown_bots(storage: Storage) -> list[ShownBot]:
    """The bots that have a release, by name."""
    found = []
    for status in statuses(storage):
        if status.release is None:
            continue
        bot = Bot.parse(status.bot)
        posts = [each.text for each in _fresh(_predictions(storage, bot))]
        found.append(ShownBot(status, _written(bot), tuple(posts[:_POSTS])))
    return found


def bot_page(storage: Storage, bot: Bot) -> BotPage:
    """What the page of a bot shows. Raises UnknownBot."""
    details = status_of(storage, bot)
    if details.release is None:
        raise UnknownBot(f"@{bot} has no release")
    predictions: dict[str, list[str]] = {}
    for each in _fresh(_predictions(storage, bot)):
        predictions.setdefault(each.start, []).append(each.text)
    return BotPage(details, _written(bot), _consents(storage, bot), predictions)


def named_bot(name: str) -> Bot:
    """The bot that an address names. Raises UnknownBot for any other spelling."""
    try:
        bot = Bot.parse(name)
    except HuggingtweetsError:
        raise UnknownBot("there is no bot of this name") from None
    if bot.name != name:
        raise UnknownBot("there is no bot of this name")
    return bot


def picture_of(storage: Storage, bot: Bot, name: str) -> bytes:
    """One of the `PICTURES` of a bot's release. Raises UnknownBot where there is none."""
    release = latest_release(storage, bot)
    if release is None or name not in PICTURES:
        raise UnknownBot("there is no such picture")
    try:
        return storage.read(f"{release.folder}/{PICTURES[name]}")
    except FileNotFoundError:
        raise UnknownBot("there is no such picture") from None


def _consents(storage: Storage, bot: Bot) -> tuple[Consent, ...]:
    try:
        return tuple(load_consents(storage, bot))
    except DamagedState as error:
        log.warning("%s", error)
        return ()


def _written(bot: Bot) -> str:
    return " + ".join(f"@{handle.written}" for handle in bot.handles)


def _predictions(storage: Storage, bot: Bot) -> Sequence[Prediction]:
    release = latest_release(storage, bot)
    try:
        evaluation = evaluation_of(storage, release) if release else None
    except DamagedState:
        return ()  # its reason stands in the bot's status
    return evaluation.predictions if evaluation else ()


def _fresh(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Those that repeat no training post."""
    return [each for each in predictions if not each.repeats]
