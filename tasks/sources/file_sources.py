"""Which source a file is, by what is in it.

Nothing is taken for text because it is nothing else: see `RECOGNISERS`.
"""

from __future__ import annotations

from pathlib import Path

from tasks.core.errors import BadInput, UnreadableSource
from tasks.core.names import Handle
from tasks.sources.bluesky.export import recognise_bluesky_export
from tasks.sources.files.containers import SourceFiles, open_files
from tasks.sources.files.content import Format, content_of, office_file
from tasks.sources.mastodon.recognition import recognise_mastodon
from tasks.sources.recognised import Reading, Recognised, Recogniser
from tasks.sources.source import FileSource
from tasks.sources.table.recognition import recognise_table
from tasks.sources.table.source import TableSource
from tasks.sources.x_archive.recognition import recognise_x_archive

# The kinds of file sources, each asked in turn. A new one is a function here.
RECOGNISERS: tuple[Recogniser, ...] = (
    recognise_x_archive,
    recognise_mastodon,
    recognise_bluesky_export,
    recognise_table,
)
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar")
_SHOWN = 8  # names of files in a message


def open_file_source(
    path: Path, handle: Handle | None, reading: Reading | None = None
) -> FileSource:
    """The archive or the table at a path: a file, a folder, a zip or a tar.

    An archive names its handle; a table needs one. Raises BadInput if the handle is missing or is
    not the archive's, UnreadableSource if the file is of no known kind, saying what it is.
    """
    source = _recognised(path, reading or Reading()).open(handle)
    if reading and source.name != TableSource.name and reading.is_of_table:
        kind = source.name.replace("_", " ")
        raise BadInput(
            f"{path}: its posts have the form of {kind}, which has no columns to choose and no "
            "order of dates: leave these options out"
        )
    return source


def file_digest(path: Path) -> str:
    """A digest that changes when the posts in a file may have, hexadecimal.

    Of a table's bytes, or of those files of an archive that are read. Raises UnreadableSource.
    """
    found = _recognised(path, Reading())
    return found.files.digest(found.names)


def _recognised(path: Path, reading: Reading) -> Recognised:
    files = open_files(path)
    if what := office_file(files.names()):
        raise UnreadableSource(f"{path}: is {what}, which is not read: save it as CSV (UTF-8)")
    found = (recognise(files, reading) for recognise in RECOGNISERS)
    known = next((each for each in found if each is not None), None)
    if known is None:
        raise _unknown(files)
    return known


def _unknown(files: SourceFiles) -> UnreadableSource:
    names = files.names()
    if files.alone:
        content = content_of(files, names[0])
        remedy = "give an X archive, CSV, JSON, JSON lines or Parquet"
        if content.format is Format.TEXT:
            remedy += "; if each line of the text is a post, give --format text"
        if "Excel" in content.name:
            remedy = "save it as CSV (UTF-8)"
        return UnreadableSource(
            f"{files.path}: is {content.name}, not posts of a known kind: {remedy}"
        )
    shown = ", ".join(name[:60] for name in names[:_SHOWN])
    rest = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    remedy = "give the archive as it was downloaded, or the file with the posts"
    if inner := next((name for name in names if name.lower().endswith(_ARCHIVES)), None):
        remedy = f"if the posts are in {inner[:60]}, unpack it and give that"
    return UnreadableSource(
        f"{files.path}: no posts of an X archive in it (data/tweets.js or data/js/tweets/) or of "
        f"Mastodon (outbox.json), and no table of posts, but {shown or 'nothing'}{rest}: {remedy}"
    )
