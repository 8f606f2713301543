"""Links in the text of a Bluesky post: shortened there, and whole in the post's facets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_LINK = "app.bsky.richtext.facet#link"
_MOST = 1_000  # facets that are looked at; a post has at most 300 characters


def without_links(text: str, facets: object) -> str:
    """A text without the links that its facets mark; words that lead to a page stay.

    A facet's range counts bytes of UTF-8. A range that is none of the text's is ignored.
    """
    content = text.encode("utf-8", "surrogatepass")
    ranges = sorted(_link_ranges(content, facets if isinstance(facets, list) else []))
    if not ranges:
        return text
    kept, at = [], 0
    for start, end in ranges:
        kept.append(content[at : max(start, at)])
        at = max(end, at)
    return b"".join([*kept, content[at:]]).decode("utf-8", "surrogatepass")


def _link_ranges(content: bytes, facets: list[Any]) -> Iterator[tuple[int, int]]:
    for facet in facets[:_MOST]:
        index, uri = _object(facet, "index"), _uri(facet)
        found = _range(content, index.get("byteStart"), index.get("byteEnd"))
        if uri is None or found is None:
            continue
        start, end = found
        if _is_shortened(content[start:end].decode("utf-8", "replace"), uri):
            yield found


def _uri(facet: Any) -> str | None:
    """The address that a facet links to, or None if it is no link."""
    features = facet.get("features") if isinstance(facet, Mapping) else None
    for feature in features if isinstance(features, list) else []:
        if isinstance(feature, Mapping) and feature.get("$type") == _LINK:
            uri = feature.get("uri")
            return uri if isinstance(uri, str) else None
    return None


def _range(content: bytes, start: object, end: object) -> tuple[int, int] | None:
    """A range of the text's bytes that are whole characters, None if it is none."""
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(content):
        return None
    is_whole = all(at == len(content) or content[at] & 0xC0 != 0x80 for at in (start, end))
    return (start, end) if is_whole else None


def _is_shortened(shown: str, uri: str) -> bool:
    """Whether the text is the address or a part of it, and not words that lead there."""
    stem = shown.strip().removesuffix("…").removesuffix("...")
    return "." in stem and not any(map(str.isspace, stem)) and stem.lower() in uri.lower()


def _object(value: Any, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}
