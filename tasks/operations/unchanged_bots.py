"""Whether nothing is new for a bot, found from files alone: no server, no training, no service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tasks.core.errors import HuggingtweetsError
from tasks.core.names import Bot
from tasks.core.records import Outcome, Spec
from tasks.core.settings import settings
from tasks.ingest.imported_files import is_imported
from tasks.ingest.services import SERVICES
from tasks.operations.retrain_record import INPUTS, Inputs, record, unchanged_outcome
from tasks.registry.outcomes import load_outcome
from tasks.sources.file_sources import file_digest
from tasks.storage import Storage, storage_root
from tasks.training.bases.base_models import resolve_base


def unchanged_bot(
    bot: Bot,
    sources: Mapping[str, str],
    *,
    filter_name: str,
    languages: tuple[str, ...],
    base_id: str,
    spec: Spec,
    push: bool,
    from_base: bool = False,
) -> Outcome | None:
    """The bot's outcome, recorded, where its posts, sources and settings are those of the last one.

    sources: by handle, the path of a file or the name of a service.
    None where a service has to be asked, a file is not imported yet, anything has changed, or the
    question cannot be answered: the bot's own retrain does that, and reports what is wrong.
    """
    began, storage = datetime.now(UTC), storage_root()
    try:
        last = load_outcome(storage, bot)
        if last is None or INPUTS not in last.details:
            return None  # before a base is looked up, on the Hub perhaps
        files = _imported(storage, bot, sources)
        if files is None:
            return None
        base = resolve_base(base_id, settings().cache, endpoint=settings().hub_endpoint)
        inputs = Inputs(bot, filter_name, languages, base, spec, from_base).digest(files)
        outcome = unchanged_outcome(bot, inputs, push=push)
    except HuggingtweetsError:
        return None
    return None if outcome is None else record(outcome, began)


def _imported(storage: Storage, bot: Bot, sources: Mapping[str, str]) -> dict[str, str] | None:
    """The digests of the sources' files by handle, or None where posts may be missing."""
    files = {}
    for handle in bot.handles:
        source = sources.get(handle.name)
        if source is None:
            continue
        if source in SERVICES:
            return None
        files[handle.name] = file_digest(Path(source))
        if not is_imported(storage, handle, files[handle.name]):
            return None
    return files
