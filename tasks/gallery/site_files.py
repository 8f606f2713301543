"""All files of a site: what is in each, or which file of a release or of this machine it is."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.gallery.banned_tokens import banned_tokens
from tasks.gallery.entries import Entry, ReleaseFile, details_of
from tasks.gallery.pages import STATIC, SiteLook, Writing, bot_page, feed, index_page, newest_first
from tasks.gallery.wllama import WLLAMA
from tasks.storage import Storage, sha256_of

log = logging.getLogger("huggingtweets")
_COPIED = ("predictions.png", "README.md", "metrics.json", "Modelfile")


@dataclass(frozen=True)
class SiteFile:
    """A file of a site: its path there, and either its bytes, a local file, or a release's."""

    path: str
    data: bytes | None = None
    local: Path | None = None
    released: ReleaseFile | None = None

    @property
    def sha256(self) -> str:
        """Of its bytes, hexadecimal."""
        if self.released:
            return self.released.sha256
        if self.local:
            return sha256_of(self.local)
        return hashlib.sha256(self.data or b"").hexdigest()


class SiteFiles:
    """The files of a site, in the order in which they may appear: what links to others is last."""

    def __init__(
        self, storage: Storage, entries: Sequence[Entry], look: SiteLook, wllama: Path | None
    ) -> None:
        """wllama: the folder with its files; None for a site on which no bot writes."""
        self._storage, self._entries, self._look = storage, entries, look
        self._wllama = wllama
        self._banned: dict[str, tuple[int, ...]] = {}

    def of_folder(self) -> Iterator[SiteFile]:
        """A site that has all it needs, the weights too."""
        return self._files(
            {entry.bot.name: entry.gguf.name for entry in self._entries if entry.gguf}
        )

    def of_space(self, models: dict[str, str]) -> Iterator[SiteFile]:
        """A site whose bots' weights are elsewhere: by bot, the URL of its GGUF."""
        return self._files(models)

    def _files(self, models: dict[str, str]) -> Iterator[SiteFile]:
        writes = bool(models) and self._wllama is not None
        yield from self._assets(with_writer=writes)
        for entry in self._entries:
            url = models.get(entry.bot.name) if writes else None
            yield from self._of_bot(entry, url)
        yield SiteFile("bots.json", _json([_machine(each) for each in newest_first(self._entries)]))
        yield SiteFile("feed.xml", feed(self._entries, self._look).encode())
        yield SiteFile("index.html", index_page(self._entries, self._look).encode())

    def _assets(self, *, with_writer: bool) -> Iterator[SiteFile]:
        for path in sorted(STATIC.iterdir()):
            if with_writer or path.name != "writer.js":
                yield SiteFile(f"assets/{path.name}", local=path)
        if with_writer and self._wllama is not None:
            for name in WLLAMA.files.values():
                yield SiteFile(f"assets/wllama/{name}", local=self._wllama / name)

    def _of_bot(self, entry: Entry, url: str | None) -> Iterator[SiteFile]:
        folder = f"bots/{entry.bot.name}"
        writing = self._writing(entry, url) if url else None
        for name in _COPIED:
            if (file := entry.files.get(name)) is not None:
                yield SiteFile(f"{folder}/{name}", released=file)
        if writing and entry.gguf and "/" not in writing.url:
            yield SiteFile(f"{folder}/{entry.gguf.name}", released=entry.gguf)
        page = bot_page(entry, details_of(self._storage, entry), self._look, writing)
        yield SiteFile(f"{folder}/index.html", page.encode())

    def _writing(self, entry: Entry, url: str) -> Writing | None:
        tokenizer = entry.files["tokenizer.json"]
        drawing: dict[str, Any] = {}
        try:
            if tokenizer.sha256 not in self._banned:  # bots of one base share it
                content = self._storage.read(tokenizer.key)
                self._banned[tokenizer.sha256] = banned_tokens(content)
            if file := entry.files.get("generation_config.json"):
                drawing = self._storage.read_json(file.key) or {}
            return Writing(
                url,
                entry.gguf.size if entry.gguf else 0,
                self._banned[tokenizer.sha256],
                float(drawing.get("temperature", 1.0)),
                float(drawing.get("top_p", 0.95)),
                int(drawing.get("max_length", 160)),
            )
        except (ValueError, TypeError, AttributeError) as error:
            log.warning("@%s: cannot write on its page: %s", entry.bot, error)
            return None


def _machine(entry: Entry) -> dict[str, Any]:
    """A bot for machines."""
    folder = f"bots/{entry.bot.name}"
    return {
        "bot": entry.bot.name,
        "accounts": [each.handle for each in entry.accounts],
        "names": [each.name for each in entry.accounts],
        "release": entry.revision,
        "made": entry.created_at.isoformat(),
        "base": entry.base,
        "posts": entry.downloaded,
        "kept": entry.kept,
        "base_loss": entry.base_loss,
        "held_out_loss": entry.held_out_loss,
        "languages": list(entry.languages),
        "page": f"{folder}/index.html",
        "picture": f"{folder}/predictions.png" if "predictions.png" in entry.files else None,
        "hub": entry.hub,
        "written": list(entry.shown),
    }


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
