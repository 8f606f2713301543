"""Characters that nobody sees: control, text direction, zero width, tags.

They carry nothing that a model should write, and can hide what a text really holds. Kept is what
makes a visible difference: the joiners inside an emoji, in Persian or in an Indic script, the
selectors of an emoji's or a letter's form, the tags of a regional flag.
"""

from __future__ import annotations

import regex

_JOINING = "".join(
    rf"\p{{{script}}}"
    for script in (
        *("Arabic", "Syriac", "Nko", "Mongolian", "Devanagari", "Bengali", "Gurmukhi", "Gujarati"),
        *("Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Khmer"),
    )
)
# Number signs of Arabic and Kaithi are format characters to Unicode, and visible.
_VISIBLE_FORMATS = (
    r"\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd\U00013430-\U0001345f"
)
_KEPT = (
    r"(?<=[\p{ExtPict}\p{Emoji_Modifier}\ufe0f\U000e007f])\u200d(?=\p{ExtPict})",
    rf"(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}])",
    r"(?<=\p{Emoji})[\ufe0e\ufe0f]",
    r"(?<=\p{Han})[\U000e0100-\U000e01ef]",
    r"(?<=\p{Mongolian})[\u180b-\u180d]",
    r"\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{2,6}\U000e007f",
)
_HIDDEN = (
    r"[[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]"
    rf"--[{_VISIBLE_FORMATS}]]"
)
_CLEAN = regex.compile(f"({'|'.join(_KEPT)})|{_HIDDEN}", regex.VERSION1)
# What is hidden and yet printable to `str.isprintable`.
_QUIET = regex.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    r"\U000e0100-\U000e01ef]"
)
# Letters and a symbol whose glyph is empty: used to post "nothing".
_BLANK_GLYPHS = str.maketrans(dict.fromkeys("\u3164\uffa0\u2800", " "))


def remove_invisible(text: str) -> str:
    """The text without what nobody sees. White space must be folded to spaces before."""
    if text.isprintable() and not _QUIET.search(text):
        return text
    return _CLEAN.sub(lambda found: found[1] or "", text.translate(_BLANK_GLYPHS))
