"""HTML entities, decoded."""

from __future__ import annotations

import html
import html.entities

import regex

_ENTITY = regex.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# Encoded twice, or ten times: `&amp;amp;amp;` is one ampersand.
_AMPERSAND = regex.compile(r"&(?:(?:amp|AMP|#0*38|#[xX]0*26);)+")


def decode_entities(text: str) -> str:
    """The text with every entity that ends in a semicolon decoded."""
    if "&" not in text:
        return text
    return _ENTITY.sub(_character, _AMPERSAND.sub("&", text))


def _character(found: regex.Match[str]) -> str:
    entity = found[0]
    if entity.startswith("&#"):
        return html.unescape(entity)
    return html.entities.html5.get(entity[1:], entity)
