"""Invisible characters: control, text direction, zero width, tags.

A model should not write them, and they can hide what a text really holds. Those that make a visible
difference are kept: joiners inside an emoji, in Persian or in an Indic script, selectors of an
emoji's or a letter's form, the tags of a regional flag.
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
# Number signs of Arabic and Kaithi: format characters in Unicode, but visible.
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
# Hidden characters that `str.isprintable` calls printable.
_PRINTABLE_HIDDEN = regex.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    r"\U000e0100-\U000e01ef]"
)
# Letters and a symbol with an empty glyph, used to post "nothing".
_BLANK_GLYPHS = str.maketrans(dict.fromkeys("\u3164\uffa0\u2800", " "))


def remove_invisible(text: str) -> str:
    """The text without invisible characters. White space must be folded to spaces before."""
    if text.isprintable() and not _PRINTABLE_HIDDEN.search(text):
        return text
    return _CLEAN.sub(lambda found: found[1] or "", text.translate(_BLANK_GLYPHS))
