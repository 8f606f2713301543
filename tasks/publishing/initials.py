"""What stands in a circle for an account without an avatar: initials, on a colour of its own."""

from __future__ import annotations

import hashlib
from unicodedata import east_asian_width

import regex

from tasks.core.records import Profile
from tasks.publishing.escaping import plain

_COLOURS = ("#1d9bf0", "#7856ff", "#f91880", "#ff7a00", "#00a37a", "#3f51b5", "#b0413e", "#5b7083")
_LETTER = regex.compile(r"\p{L}")


def shown_name(profile: Profile) -> str:
    """The display name, or the handle of an account without one."""
    return plain(profile.display_name) or profile.handle.written


def initials(profile: Profile, most: int) -> str:
    """The first letters of the first and last words; of the first word only where `most` is 1.

    The circle has room for one full-width letter, such as a Chinese one.
    """
    letters = [found[0] for word in shown_name(profile).split() if (found := _LETTER.search(word))]
    if any(east_asian_width(letter) in "WF" for letter in letters):
        most = 1
    return "".join((*letters[:1], *letters[1:][-1:])[:most]).upper() or "🤖"


def colour_of(profile: Profile) -> str:
    """The account's colour, in CSS; always the same one."""
    place = hashlib.sha256(profile.handle.name.encode()).digest()[0]
    return _COLOURS[place % len(_COLOURS)]
