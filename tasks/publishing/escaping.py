"""Makes text from accounts safe to show.

Display names and posts are hostile until escaped here. `plain` is for YAML (through ModelCardData)
and the terminal (Rich interprets `[…]`: print with `markup=False`); `markup` is for Markdown and
HTML, attribute values included.
"""

from __future__ import annotations

import string

import regex

# All white space, and what ends a line in YAML, JSON or a terminal; becomes one space.
_BLANKS = regex.compile(r"[\s\u0085\u2028\u2029]+")
# Control characters (ANSI escapes too), bidi marks and overrides, invisible fillers, annotations,
# noncharacters, and tag characters, which hide text, except in the flags of England, Scotland and
# Wales.
_INVISIBLE = regex.compile(
    r"\U0001F3F4[\U000E0061-\U000E007A]{3,6}\U000E007F(*SKIP)(*FAIL)"
    r"|[\p{Cc}\p{Noncharacter_Code_Point}\p{Bidi_Control}\u00AD\u115F\u1160\u180E\u200B"
    r"\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF9-\uFFFB\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A"
    r"\U000E0000-\U000E0FFF]"
)
# Emoji and Indic or Persian words need one joiner between two visible characters, never a run.
_JOINER_RUN = regex.compile(r"([\u200C\u200D])[\u200C\u200D]+")
_EDGES = " \u200c\u200d"
_MARK_RUN = regex.compile(r"(\p{M}{4})\p{M}+")
_SURROGATE = regex.compile(r"[\uD800-\uDFFF]")
# What a terminal interprets, or what ends a line in it.
_INTERPRETED = regex.compile(r"[\p{Cc}\p{Bidi_Control}\u2028\u2029\uD800-\uDFFF]")
_GRAPHEME = regex.compile(r"\X")
_LONGEST_GRAPHEME = 16
_ENTITIES = {ord(sign): f"&#{ord(sign)};" for sign in string.punctuation}
# What acts within a line of Markdown (emphasis, code, links, tags, entities, tables, mentions);
# and a colon or a dot where an address may be, but not those of prose and of decimals.
_ACTING = regex.compile(r"[&<>\[\]\\`*_~|@#$^{}]|:(?!\s|$)|(?<!\d)\.(?=\w)|(?<=\d)\.(?=[^\W\d])")
# What acts at the start of one: lists, headings, rules.
_START = regex.compile(r"^(?:[-+=]+|\d+[.)](?=\s|$))")
# Joins two escaped names; the marks keep two right-to-left names in order.
AND = "\u200e &amp; \u200e"


def plain(text: str, limit: int = 300) -> str:
    """The text on one line, without control characters, bidi marks and line separators.

    limit: in user-perceived characters; longer text ends in `…`.
    """
    # No more than this can be shown: keeps the patterns below linear in `limit`.
    text = text[: limit * _LONGEST_GRAPHEME * 2 + 1]
    text = _SURROGATE.sub("\ufffd", text)
    # White space first, since line ends are controls; again for what a control separated.
    text = _BLANKS.sub(" ", _INVISIBLE.sub("", _BLANKS.sub(" ", text)))
    text = _MARK_RUN.sub(r"\1", _JOINER_RUN.sub(r"\1", text))
    return _shortened(text.strip(_EDGES), limit).strip(_EDGES)


def visible(text: str) -> str:
    """The whole text on one line, with control characters as Python escapes: for logs."""
    return _INTERPRETED.sub(lambda sign: sign[0].encode("unicode_escape").decode(), text)


def visible_json(text: str) -> str:
    """Equivalent JSON with control characters escaped, except the line ends between its parts."""
    return _INTERPRETED.sub(
        lambda sign: sign[0] if sign[0] == "\n" else f"\\u{ord(sign[0]):04x}", text
    )


def markup(text: str, limit: int = 300) -> str:
    """The text for Markdown and HTML, with all ASCII punctuation as entities.

    Entities are literal in both, so nothing in it can start a link, a table cell or a tag.
    """
    return plain(text, limit).translate(_ENTITIES)


def markdown(text: str, limit: int = 300) -> str:
    """The text for Markdown, with entities only for what would act there.

    Readable as it stands: dates, decimals, hyphens in words and the marks of sentences are
    themselves. Not for attributes of HTML.
    """
    text = plain(text, limit)
    return _START.sub(_as_entities, _ACTING.sub(_as_entities, text), count=1)


def _as_entities(found: regex.Match[str]) -> str:
    return found[0].translate(_ENTITIES)


def whole_words(text: str, limit: int) -> str:
    """The text on one line; a longer one ends in `…` after a word, if it has blanks at all."""
    full = plain(text, limit + 1)
    cut = plain(text, limit)
    if cut == full:
        return full
    words, _, rest = cut.rpartition(" ")
    return f"{words}…" if words and len(rest) < limit / 2 else cut


def _shortened(text: str, limit: int) -> str:
    graphemes = [_bounded(each) for each in _GRAPHEME.findall(text)]
    if len(graphemes) <= limit:
        return "".join(graphemes)
    return "".join(graphemes[: limit - 1]).rstrip(_EDGES) + "…"


def _bounded(grapheme: str) -> str:
    if len(grapheme) <= _LONGEST_GRAPHEME:
        return grapheme
    # A joiner at the cut would join with what comes next.
    return grapheme[:_LONGEST_GRAPHEME].rstrip(_EDGES)
