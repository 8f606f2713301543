"""What the pages show of a bot, read from its releases."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.core.errors import DamagedState
from tasks.core.gguf_kinds import GgufKind
from tasks.core.names import Bot
from tasks.core.records import MANIFEST, Release
from tasks.gallery.card_page import card_html
from tasks.publishing.escaping import plain
from tasks.publishing.gguf_files import gguf_name
from tasks.publishing.release_history import KeptRelease, kept_releases
from tasks.publishing.releases import is_on_hub, is_public, latest_release
from tasks.storage import Storage
from tasks.storage.bot_folders import bots_in
from tasks.storage.opt_outs import is_opted_out

log = logging.getLogger("huggingtweets")
Q8 = GgufKind.Q8_0
_CARD = "README.md"


@dataclass(frozen=True)
class Account:
    """One account of a bot.

    handle: as its service writes it; name: the display name. dropped: posts by reason.
    """

    handle: str
    name: str
    downloaded: int
    kept: int
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class ReleaseFile:
    """A file of the release in force: key in the storage, size in bytes, SHA-256."""

    name: str
    key: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Entry:
    """One bot as the pages show it.

    title: `@alice & @bob`. created_at: of the release in force; aware.
    base_loss, held_out_loss: nats a token; None where not measurable.
    posts: what it wrote, those left out that repeat a training post: (start, text).
    history: (tokens, training loss, held-out loss) at each evaluation.
    languages: ISO 639-1, the most frequent first; empty for releases of older versions.
    files: of the release, by name. gguf: that from which a browser writes, or None; gguf_on_hub:
        whether the Hub gives it to anybody.
    """

    bot: Bot
    title: str
    accounts: tuple[Account, ...]
    revision: str
    created_at: datetime
    base: str
    base_license: str | None
    base_loss: float | None
    held_out_loss: float | None
    repeated_share: float | None
    samples: int
    posts: tuple[tuple[str, str], ...]
    history: tuple[tuple[float, float | None, float | None], ...]
    languages: tuple[str, ...]
    files: Mapping[str, ReleaseFile]
    gguf: ReleaseFile | None
    hub: str | None
    public: bool
    gguf_on_hub: bool

    @property
    def downloaded(self) -> int:
        """The posts of all accounts that were looked at."""
        return sum(each.downloaded for each in self.accounts)

    @property
    def kept(self) -> int:
        """The posts of all accounts that were kept."""
        return sum(each.kept for each in self.accounts)

    @property
    def better(self) -> float | None:
        """By how many nats a token it is better than its base."""
        if self.base_loss is None or self.held_out_loss is None:
            return None
        return self.base_loss - self.held_out_loss

    @property
    def shown(self) -> tuple[str, ...]:
        """Three posts, with different starts as far as possible."""
        first = dict(reversed(self.posts))
        chosen = [first[start] for start in dict.fromkeys(start for start, _ in self.posts)]
        rest = [text for _, text in self.posts if text not in chosen]
        return tuple((*chosen, *rest)[:3])

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why posts were dropped, of all accounts."""
        return tuple(dict.fromkeys(reason for each in self.accounts for reason in each.dropped))


@dataclass(frozen=True)
class Details:
    """What a bot's own page shows beside its entry.

    releases: those that are kept, the newest first. card: as HTML; None where it cannot be read.
    """

    releases: tuple[KeptRelease, ...] = ()
    card: str | None = None


def details_of(storage: Storage, entry: Entry) -> Details:
    """The details of a bot. Raises StorageUnusable."""
    card = None
    if (file := entry.files.get(_CARD)) is not None:
        try:
            card = card_html(storage.read(file.key).decode(errors="replace"))
        except FileNotFoundError:
            log.warning("@%s: release %s has no card any more", entry.bot, entry.revision)
    return Details(tuple(kept_releases(storage, entry.bot)), card)


def entries_of(storage: Storage, *, private: bool) -> Iterator[Entry]:
    """The bots to show, by name, without those of accounts that have opted out.

    private: also those that only the operator may see. A bot whose release cannot be read is
    logged and left out. Raises StorageUnusable.
    """
    for bot in bots_in(storage, "releases"):
        entry = entry_of(storage, bot)
        if entry is not None and (private or entry.public):
            yield entry


def entry_of(storage: Storage, bot: Bot) -> Entry | None:
    """A bot's entry; None without a release that can be read, or where an owner has opted out."""
    release = latest_release(storage, bot)
    if release is None or is_opted_out(storage, *bot.handles):
        return None
    try:
        manifest = storage.read_json(f"{release.folder}/{MANIFEST}")
        metrics = storage.read_json(f"{release.folder}/metrics.json")
        return _entry(storage, release, manifest, metrics)
    except (KeyError, TypeError, ValueError, AttributeError, DamagedState) as error:
        log.warning(
            "@%s: not shown: the records of release %s cannot be read (%s): `huggingtweets refresh "
            "%s` may write them anew",
            bot, release.revision, type(error).__name__, bot,
        )  # fmt: skip
        return None


def _entry(
    storage: Storage, release: Release, manifest: Mapping[str, Any], metrics: Mapping[str, Any]
) -> Entry:
    bot = release.bot
    files = {
        name: ReleaseFile(name, f"{release.folder}/{name}", int(file["size"]), str(file["sha256"]))
        for name, file in manifest["files"].items()
    }
    return Entry(
        bot=bot,
        title=" & ".join(f"@{handle.written}" for handle in bot.handles),
        accounts=_accounts(bot, metrics),
        revision=release.revision,
        created_at=datetime.fromisoformat(manifest["created_at"]).astimezone(UTC),
        base=plain(str(manifest["base"]["origin"]), 120),
        base_license=_text(manifest["base"].get("license")),
        base_loss=_number(metrics["base_loss"]),
        held_out_loss=_number(metrics["bot_loss"]),
        repeated_share=_number(metrics.get("repeated_share")),
        samples=int(metrics.get("samples") or 0),
        posts=_posts(metrics["predictions"]),
        history=_history(metrics["training"]["history"]),
        languages=tuple(str(each)[:8] for each in metrics.get("languages") or ()),
        files=files,
        gguf=files.get(gguf_name(bot.name, Q8)),
        gguf_on_hub=is_on_hub(storage, release, gguf_name(bot.name, Q8)),
        hub=release.hub,
        public=is_public(storage, release),
    )


def _accounts(bot: Bot, metrics: Mapping[str, Any]) -> tuple[Account, ...]:
    names, counts = metrics.get("names") or {}, metrics["counts"]
    return tuple(
        Account(
            handle.written,
            plain(str(names.get(handle.name) or handle.written), 60),
            int(counts[handle.name]["downloaded"]),
            int(counts[handle.name]["kept"]),
            {str(k): int(v) for k, v in counts[handle.name]["dropped"].items()},
        )
        for handle in bot.handles
    )


def _posts(predictions: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    fresh = [each for each in predictions if not each["repeats"] and plain(each["text"])]
    return tuple((plain(each["start"], 100), plain(each["text"], 600)) for each in fresh)


def _history(
    points: Sequence[Mapping[str, Any]],
) -> tuple[tuple[float, float | None, float | None], ...]:
    return tuple(
        (float(each["tokens"]), _number(each["training_loss"]), _number(each["held_out_loss"]))
        for each in points
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _text(value: Any) -> str | None:
    return None if value is None else plain(str(value), 60)
