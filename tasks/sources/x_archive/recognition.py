"""Whether files are an X archive, or one of its files with posts."""

from __future__ import annotations

import re

from tasks.core.errors import UnreadableSource
from tasks.sources.files.containers import SourceFiles
from tasks.sources.files.content import Format, content_of
from tasks.sources.recognised import Reading, Recognised
from tasks.sources.x_archive.index import ArchiveIndex, find_archive, lone_file
from tasks.sources.x_archive.source import XArchiveSource

_PART = re.compile(
    r"window\.YTD\.(\w+)\.part\d+|window\.(__THAR_CONFIG)|Grailbird\.(\S+)", re.ASCII
)


def recognise_x_archive(files: SourceFiles, reading: Reading) -> Recognised | None:
    """The archive in a folder, a zip or a tar, or a file with posts that was taken out of one.

    Raises UnreadableSource for another file of an archive alone, such as deleted posts.
    """
    if reading.text:
        return None
    index = _lone(files) if files.alone else find_archive(files)
    if index is None:
        return None
    return Recognised(files, index.names, lambda handle: XArchiveSource(index, handle))


def _lone(files: SourceFiles) -> ArchiveIndex | None:
    (name,) = files.names()
    content = content_of(files, name)
    if content.holds_tweets:
        return lone_file(files, name)
    if content.format is Format.SCRIPT and (found := _PART.match(content.variable)):
        part = next(filter(None, found.groups()))
        raise UnreadableSource(
            f"{files.path}: is the file {part[:40]!r} of an X archive, which holds no posts that "
            "are read: give tweets.js or the whole archive"
        )
    return None
