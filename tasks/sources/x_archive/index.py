"""Which members of an X archive are read, of all that are in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import UnreadableSource
from tasks.sources.x_archive.archive_files import Members, open_members

MAX_TOTAL = 16 << 30
MAX_NOTES = 512 << 20  # they are held in memory
# Deleted posts (`deleted-tweets.js`) and those for a circle (`twitter-circle-tweet.js`) are not
# matched, and so never read. An archive that was packed again may lie in a folder of its own, and
# very old ones, or the inner folder given alone, have no `data/`.
_POSTS = re.compile(
    r"(?P<root>(?:(?!data/)[^/\x00-\x1f\x7f]+/)?(?:data/)?)"
    r"(?:tweets?(?:-part\d+)?\.js|js/tweets/\d{4}_\d{2}\.js)"
)
_NOTES = re.compile(r"note-tweets?(?:-part\d+)?\.js")
ABOUT = ("manifest.js", "account.js", "profile.js", "js/user_details.js")


@dataclass(frozen=True)
class Shelf:
    """The members of an archive that are read.

    root: what the names of all begin with, mostly `data/`.
    posts: those that hold posts, in order; notes: long texts; about: the account.
    """

    path: Path
    members: Members
    root: str
    posts: tuple[str, ...]
    notes: tuple[str, ...]
    about: tuple[str, ...]

    @property
    def read(self) -> tuple[str, ...]:
        """All of them."""
        return self.posts + self.notes + self.about


def find_shelf(path: Path) -> Shelf:
    """What there is to read in a folder or a zip. Raises UnreadableSource."""
    members = open_members(path)
    names = members.names()
    found = [match for name in names if (match := _POSTS.fullmatch(name))]
    if not found:
        raise UnreadableSource(
            f"{path}: no posts of an X archive in it (data/tweets.js or data/js/tweets/): "
            "give the archive as it was downloaded"
        )
    root = min((match["root"] for match in found), key=len)
    posts = sorted((m[0] for m in found if m["root"] == root), key=_in_order)
    inside = {name.removeprefix(root): name for name in names if name.startswith(root)}
    notes = [name for short, name in inside.items() if _NOTES.fullmatch(short)]
    about = [inside[short] for short in ABOUT if short in inside]
    shelf = Shelf(path, members, root, tuple(posts), tuple(sorted(notes)), tuple(about))
    _refuse_oversized(shelf)
    return shelf


def _refuse_oversized(shelf: Shelf) -> None:
    for names, most in ((shelf.notes, MAX_NOTES), (shelf.read, MAX_TOTAL)):
        if (size := shelf.members.size(names)) > most:
            raise UnreadableSource(
                f"{shelf.path}: its posts claim {size:,} bytes, which no account has: "
                "download the archive again"
            )


def _in_order(name: str) -> tuple[int, str]:
    part = re.search(r"-part(\d+)\.js$", name)
    return (int(part[1]) if part else 0, name)
