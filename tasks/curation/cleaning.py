"""A post's text as a bot learns it: the cleaning of the filter `modern`."""

from __future__ import annotations

import regex

from tasks.curation.entities import decode_entities
from tasks.curation.invisible import remove_invisible
from tasks.curation.links import remove_links
from tasks.curation.special_tokens import remove_special_tokens

# One step can complete what another removes: `<|end&#8203;oftext|>`. Real posts need two passes.
PASSES = 8
# ASCII texts without any of these, two posts of three, are clean.
_SUSPICIOUS = regex.compile(
    r"[&<\[]|  |^ | $|https?:|www\.|pic\.|^\.?@\w+[:,]? +\.?@", regex.IGNORECASE
)
_MENTIONS = regex.compile(r"(?:\.?[@＠]\w{1,15}[:,]?(?:\s+|$)){3,}")


def clean_text(text: str) -> str:
    """The cleaned text; cleaning it again changes nothing.

    Entities are decoded, also doubly encoded ones; invisible characters, links and special tokens
    are removed; line breaks become spaces, as in the original, and words are separated by one
    space. Three or more leading mentions are removed: the service adds them to replies; one or two
    stay. A text that still changes after `PASSES` passes was built to deceive: it becomes "".
    """
    if text.isascii() and text.isprintable() and not _SUSPICIOUS.search(text):
        return text
    for _ in range(PASSES):
        cleaned = _one_pass(text)
        if cleaned == text:
            return text
        text = cleaned
    return ""


def _one_pass(text: str) -> str:
    text = " ".join(decode_entities(text).split())
    text = remove_special_tokens(remove_links(remove_invisible(text)))
    text = " ".join(text.split())
    if leading := _MENTIONS.match(text):
        return text[leading.end() :]
    return text
