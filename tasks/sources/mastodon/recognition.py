"""Whether files are an archive of Mastodon, or the outbox that was taken out of one."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from tasks.sources.files.containers import SourceFiles
from tasks.sources.files.content import Format, content_of
from tasks.sources.mastodon.source import ITEMS, MastodonArchiveSource
from tasks.sources.recognised import Reading, Recognised

_OUTBOX, _ACTOR = "outbox.json", "actor.json"
_DEEPEST = 3  # folders above the outbox, if the archive was unpacked and packed again
_COLLECTION = re.compile(r'"type"\s*:\s*"OrderedCollection(?:Page)?"')
_ITEMS = re.compile(rf'"{ITEMS}"\s*:\s*\[')


def recognise_mastodon(files: SourceFiles, reading: Reading) -> Recognised | None:
    """The archive in a folder, a zip or a tar, or its outbox alone."""
    if reading.text:
        return None
    outbox = files.names()[0] if files.alone else _shallowest(files, _OUTBOX)
    if outbox is None or not _is_outbox(files, outbox):
        return None
    beside = str(PurePosixPath(outbox).with_name(_ACTOR))
    actor = beside if not files.alone and beside in files.names() else None
    names = (outbox,) if actor is None else (outbox, actor)
    return Recognised(
        files, names, lambda handle: MastodonArchiveSource(files, outbox, actor, handle)
    )


def _shallowest(files: SourceFiles, wanted: str) -> str | None:
    found = [name for name in files.names() if PurePosixPath(name).name == wanted]
    near = [name for name in found if len(PurePosixPath(name).parts) <= _DEEPEST + 1]
    return min(near, key=lambda name: (name.count("/"), name), default=None)


def _is_outbox(files: SourceFiles, name: str) -> bool:
    content = content_of(files, name)
    # A long first line looks like one of many.
    is_json = content.format in (Format.JSON_OBJECT, Format.JSON_LINES)
    return is_json and all(each.search(content.head) for each in (_COLLECTION, _ITEMS))
