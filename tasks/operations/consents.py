"""Who said that an account's posts may be used for a bot, when, and of which source.

consents/<bot>.json   the statements about a bot, the latest last
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.core.names import Bot
from tasks.storage import Storage
from tasks.storage.state_file import StateFiles

STATEMENT = "These are my posts, or their owner has agreed to this bot."
_MOST = 100  # statements that are kept about a bot


@dataclass(frozen=True)
class Consent:
    """One statement.

    handle: whose posts. source: the kind of source, or the service. file: its name, or empty.
    given_by: the name that a person gave. given_at: ISO 8601, UTC. statement: in words.
    """

    handle: str
    source: str
    file: str
    given_by: str
    given_at: str
    statement: str = STATEMENT


_CONSENTS = StateFiles(
    "consents", list[Consent], remedy="move it away; the bot then has no consent on record"
)


def load_consents(storage: Storage, bot: Bot) -> list[Consent]:
    """The statements about a bot, the latest last. Raises DamagedState."""
    return _CONSENTS.load(storage, bot.name) or []


def add_consents(storage: Storage, bot: Bot, given: list[Consent]) -> None:
    """Record statements about a bot. Raises DamagedState, StorageUnusable."""
    _CONSENTS.save(storage, bot.name, [*load_consents(storage, bot), *given][-_MOST:])
