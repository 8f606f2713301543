"""What can be known to be wrong at once, before a server is started or a library loaded."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterable
from datetime import date
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.cli.named_server import may_be_named
from tasks.core.errors import BadInput
from tasks.core.hub_ids import is_model
from tasks.core.language_codes import language_code
from tasks.core.names import Bot, Handle

if TYPE_CHECKING:
    from tasks.core.records import Release
    from tasks.storage import Storage

_EMBEDDED = "embedded"
# What to do where the list of bots is not there.
NO_REGISTRY = (
    "list your bots in it, as deployments/bots.yaml shows, or name it with --registry or "
    "HUGGINGTWEETS_REGISTRY"
)
_SHOWN = 80  # characters of a path that cannot be one
_OF_BOTS = ("releases", "outcomes", "states")
_LONG_CODE = re.compile(r"[a-z]{3}(-\w+)?")
_NIGHT = re.compile(r"(\d{4}-\d{2}-\d{2})(-\d{1,2})?")


def parse_bot(text: str) -> Bot:
    """The bot that a person named. Raises BadInput."""
    return Bot.parse(text)


def released_bot(text: str) -> tuple[Storage, Release]:
    """The latest release of the bot that a person named. Raises BadInput."""
    from tasks.operations.first_retrain import first_retrain
    from tasks.publishing.releases import latest_release
    from tasks.storage import storage_root
    from tasks.storage.bot_folders import bots_in

    bot, storage = parse_bot(text), storage_root()
    release = latest_release(storage, bot)
    if release is None:
        places = ("releases", "posts")
        known = {each.name for place in places for each in bots_in(storage, place)} - {bot.name}
        remedy = _near(bot.name, known) or f": `{first_retrain(bot)}` makes one"
        raise BadInput(f"@{bot} has no release in {storage.url}{remedy}")
    return storage, release


def known_bot(text: str) -> Bot:
    """The bot that a person named, of which something is stored. Raises BadInput."""
    from tasks.lake.posts import handles
    from tasks.storage import storage_root
    from tasks.storage.bot_folders import bots_in

    bot, storage = parse_bot(text), storage_root()
    bots = {each for folder in _OF_BOTS for each in bots_in(storage, folder)}
    accounts = handles(storage)
    if bot in bots or all(handle in accounts for handle in bot.handles):
        return bot
    known = sorted({each.name for each in bots} | {each.name for each in accounts})
    raise BadInput(f"@{bot} is not known here{_near(bot.name, known) or _to_begin(bot)}")


def _to_begin(bot: Bot) -> str:
    return f": `huggingtweets import FILE --handle {bot.handles[0]}` stores posts"


def refuse_without_posts(bots: Iterable[Bot], sources: Collection[str] = ()) -> None:
    """Raises BadInput for a handle without stored posts that is not among those of `sources`."""
    from tasks.lake.posts import handles, rows_stored
    from tasks.storage import storage_root

    storage = storage_root()
    for handle in {each: None for bot in bots for each in bot.handles}:
        if handle.name not in sources and not rows_stored(storage, handle):
            known = [each.name for each in handles(storage)]
            raise BadInput(
                f"@{handle}: no posts are stored{_near(handle.name, known) or _how(handle)}"
            )


def _how(handle: Handle) -> str:
    return f": import some with `huggingtweets import FILE --handle {handle}`, or name a --source"


def _near(name: str, known: Collection[str]) -> str:
    """A question about names that the given one resembles, or nothing."""
    found = get_close_matches(name, known, n=3, cutoff=0.7)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def similar_account(handle: Handle) -> str:
    """A question about accounts with stored posts that a handle resembles, or nothing."""
    from tasks.lake.posts import handles
    from tasks.storage import storage_root

    return _near(handle.name, [each.name for each in handles(storage_root())])


def check_base(base: str | None) -> None:
    """Raises BadInput for a base that is a typo of `embedded`, or a path that leads nowhere."""
    if base is None or base == _EMBEDDED:
        return
    if base.strip() and _is_folder(base):
        _refuse_folder_without_model(base)
        return
    if get_close_matches(base.lower(), [_EMBEDDED], cutoff=0.75):
        raise BadInput(f"--base {base}: did you mean {_EMBEDDED}?")
    if base.startswith(("/", "~")) or not is_model(base) or Path(base).is_file():
        raise BadInput(
            f"--base {base or repr(base)}: there is no such folder: give a folder, a Hub id or "
            f"`{_EMBEDDED}`"
        )


def _refuse_folder_without_model(base: str) -> None:
    if not (Path(base).expanduser() / "config.json").exists():
        raise BadInput(f"--base {base}: there is no config.json in this folder: give a model's")


def check_languages(languages: Iterable[str]) -> None:
    """Raises BadInput for what names no language."""
    for text in languages:
        # Beside ISO 639-1 services have codes of three letters, such as `ckb`.
        if language_code(text) is None and not _LONG_CODE.fullmatch(text):
            raise BadInput(f"--language {text!r}: is no language: use a code such as en or pt")


def _is_folder(base: str) -> bool:
    try:
        return _kind(Path(base).expanduser()) is _Kind.FOLDER
    except RuntimeError:  # `~no-such-user`
        return False


class _Kind(Enum):
    NOTHING = "there is no such file"
    FOLDER = "is a folder"
    FILE = "is a file"
    OTHER = "is a pipe or a device"


def _kind(path: Path) -> _Kind:
    """What is at a path. Raises BadInput where that cannot be known."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return _Kind.NOTHING
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(f"{str(path)[:_SHOWN]}: {reason.lower()}: check the path") from error
    if stat.S_ISREG(mode):
        return _Kind.FILE
    return _Kind.FOLDER if stat.S_ISDIR(mode) else _Kind.OTHER


def refuse_missing_source(file: Path) -> None:
    """Raises BadInput where there is neither a file nor a folder of this path."""
    if _kind(file) is _Kind.NOTHING:
        near = get_close_matches(file.name, _names_beside(file), n=1, cutoff=0.75)
        hint = f"did you mean {file.with_name(near[0])}?" if near else _service_like(file.name)
        raise BadInput(f"{file}: there is no such file: {hint}")


def _service_like(name: str) -> str:
    from tasks.ingest.services import SERVICES

    near = get_close_matches(name.lower(), SERVICES, n=1, cutoff=0.75)
    return f"did you mean {near[0]}?" if near else "check the path"


def _names_beside(file: Path) -> list[str]:
    try:
        return [each.name for each in file.parent.iterdir()]
    except OSError:
        return []


def refuse_missing(file: Path, what: str) -> None:
    """Raises BadInput where there is no file, or a folder, of this path."""
    if (kind := _kind(file)) is not _Kind.FILE:
        raise BadInput(f"{file}: {kind.value}: {what}")


def check_service(service: str, names: Collection[str]) -> None:
    """Raises what using a service for these handles would: that it is off, or not theirs."""
    from tasks.core.settings import settings
    from tasks.ingest.services import COMMUNITY_ARCHIVE, SERVICES, X_API, refuse_foreign

    if service not in (*SERVICES, "stored"):
        raise BadInput(f"--source {service}: choose {', '.join(SERVICES)} or stored")
    if service == "stored":
        return
    for name in names:
        refuse_foreign(Handle.parse(name), service)
    if service == COMMUNITY_ARCHIVE:
        from tasks.ingest.community_scrape import open_community_archive

        open_community_archive(settings())
    if service == X_API:
        from tasks.ingest.x_scrape import open_client

        open_client(settings())


def check_push(*, push: bool) -> None:
    """Raises BadInput where something is to be pushed and the settings do not say where."""
    from tasks.core.settings import settings

    missing = [name for name in ("hub_token", "hub_namespace") if not getattr(settings(), name)]
    if push and missing:
        names = " and ".join(f"HUGGINGTWEETS_{name.upper()}" for name in missing)
        raise BadInput(f"--push: set {names}")


def check_workers(*, on_workers: bool) -> None:
    """Raises BadInput where workers are to train and no server is named that could have any."""
    if on_workers and not _is_server_named():
        raise BadInput(
            "--on-workers: no server is named: set PREFECT_API_URL, such as "
            "http://127.0.0.1:4200/api beside `huggingtweets serve`"
        )


def _is_server_named() -> bool:
    if os.environ.get("PREFECT_API_URL"):
        return True
    if not may_be_named():
        return False
    from prefect.settings import get_current_settings  # which takes seconds

    return get_current_settings().api.url is not None


def check_night(text: str) -> str:
    """The name of a night, as it was given. Raises BadInput."""
    found = _NIGHT.fullmatch(text)
    if found is None or not _is_date(found[1]):
        raise BadInput(
            f"{text!r} is not the date of a night: write it as 2026-01-31, or as 2026-01-31-2 for "
            "a second one"
        )
    return text


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
