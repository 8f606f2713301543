"""Which of the files in an X archive are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import UnreadableSource
from tasks.sources.files.containers import SourceFiles

MAX_TOTAL = 16 << 30  # bytes
MAX_FILES = 1_000  # the old format has one a month, the new one for each 100 MB or so
MAX_LONG_POSTS = 512 << 20  # bytes; they are held in memory
# Deleted posts (`deleted-tweets.js`) and those for a circle (`twitter-circle-tweet.js`) do not
# match and are never read. A repacked archive may have folders around it; very old archives, or
# the inner folder given alone, have no `data/`.
_POSTS = re.compile(
    r"(?P<root>(?:(?!data/|__MACOSX/)[^/\x00-\x1f\x7f]+/){0,3}(?:data/)?)"
    r"(?:(?:community-)?tweets?(?:-part\d+)?\.js|js/tweets/\d{4}_\d{2}\.js)"
)
_LONG_POSTS = re.compile(r"note-tweets?(?:-part\d+)?\.js")
ABOUT = ("manifest.js", "account.js", "profile.js", "js/user_details.js")


@dataclass(frozen=True)
class ArchiveIndex:
    """The names of the files in an archive that are read.

    root: the prefix of all names, mostly `data/`.
    posts: files with posts, in order; long_posts: with the texts of long posts; about: with facts
    about the account.
    """

    files: SourceFiles
    root: str
    posts: tuple[str, ...]
    long_posts: tuple[str, ...]
    about: tuple[str, ...]

    @property
    def path(self) -> Path:
        """What was given."""
        return self.files.path

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return self.posts + self.long_posts + self.about


def find_archive(files: SourceFiles) -> ArchiveIndex | None:
    """The files to read in an archive, None if it is none. Raises UnreadableSource."""
    names = files.names()
    found = [match for name in names if (match := _POSTS.fullmatch(name))]
    if not found:
        return None
    root = _root(files, {match["root"] for match in found})
    posts = sorted((m[0] for m in found if m["root"] == root), key=_in_order)
    inside = {name.removeprefix(root): name for name in names if name.startswith(root)}
    long_posts = [name for short, name in inside.items() if _LONG_POSTS.fullmatch(short)]
    about = [name for short in ABOUT if (name := _about(names, root, short))]
    index = ArchiveIndex(files, root, tuple(posts), tuple(sorted(long_posts)), tuple(about))
    _refuse_oversized(index)
    return index


def lone_file(files: SourceFiles, name: str) -> ArchiveIndex:
    """A file with posts without its archive."""
    return ArchiveIndex(files, "", (name,), (), ())


def _root(files: SourceFiles, roots: set[str]) -> str:
    """The outermost of the folders with posts. Raises UnreadableSource if there are several."""
    first, *others = sorted(roots, key=lambda root: (root.count("/"), root))
    if others and others[0].count("/") == first.count("/"):
        raise UnreadableSource(
            f"{files.path}: holds more than one archive ({first[:40]!r}, {others[0][:40]!r}): "
            "give one of them"
        )
    return first


def _about(names: list[str], root: str, short: str) -> str | None:
    """The file with facts about the account: beside the posts, or in a folder above or below."""
    outer = root.rstrip("/").rpartition("/")[0]
    above = f"{outer}/{short}" if outer else short
    found = [name for name in names if name.startswith(root) and name.endswith(f"/{short}")]
    below = [name for name in found if name.count("/") == root.count("/") + short.count("/") + 1]
    choices = [f"{root}{short}", above, *below]
    return next((name for name in choices if name in set(names)), None)


def _refuse_oversized(index: ArchiveIndex) -> None:
    if (number := len(index.names)) > MAX_FILES:
        raise UnreadableSource(
            f"{index.path}: {number:,} files with posts, which no archive has: "
            "download the archive again"
        )
    for names, limit in ((index.long_posts, MAX_LONG_POSTS), (index.names, MAX_TOTAL)):
        if (size := index.files.size(names)) > limit:
            raise UnreadableSource(
                f"{index.path}: its posts claim {size:,} bytes, which no account has: "
                "download the archive again"
            )


def _in_order(name: str) -> tuple[int, str]:
    part = re.search(r"-part(\d+)\.js$", name)
    return (int(part[1]) if part else 0, name)
