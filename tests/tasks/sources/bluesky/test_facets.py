"""Shortened links are cut by their facets' ranges of bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sources.bluesky.facets import without_links


def link(text: str, shown: str, uri: str) -> dict[str, Any]:
    """The facet of a link that a text shows."""
    start = len(text[: text.index(shown)].encode())
    features = [{"$type": "app.bsky.richtext.facet#link", "uri": uri}]
    return {
        "index": {"byteStart": start, "byteEnd": start + len(shown.encode())},
        "features": features,
    }


@pytest.mark.parametrize(
    ("shown", "uri"),
    [
        (
            "gardens.example.com/2026/06/02/j...",
            "https://gardens.example.com/2026/06/02/jam-and-jelly",
        ),
        ("youtu.be/abcDEF123", "https://youtu.be/abcDEF123"),
        ("www.example.com/2024/…", "https://www.example.com/2024/05/hello"),
        ("https://example.com/é", "https://example.com/é"),
    ],
)
def test_a_shortened_link_is_cut(shown: str, uri: str) -> None:
    text = f"Schöne Gärten 🌻 {shown} – lest das"
    assert without_links(text, [link(text, shown, uri)]) == "Schöne Gärten 🌻  – lest das"


def test_several_links_in_any_order_and_overlapping() -> None:
    text = "a.com/x b.com/y c.com/z"
    shown = ("c.com/z", "a.com/x", "a.com/x", "b.com/y")
    facets = [link(text, each, f"https://{each}") for each in shown]
    assert without_links(text, facets) == "  "


@pytest.mark.parametrize("shown", ["this page", "here", "U.S. news"])
def test_words_that_lead_to_a_page_stay(shown: str) -> None:
    text = f"read {shown} now"
    assert without_links(text, [link(text, shown, "https://example.com/u.s. news")]) == text


TEXT = "é example.com/…"
FACET = link(TEXT, "example.com/…", "https://example.com/a")


@pytest.mark.parametrize(
    "facet",
    [
        FACET | {"index": {"byteStart": 1, "byteEnd": 18}},
        FACET | {"index": {"byteStart": 3, "byteEnd": 19}},
        FACET | {"index": {"byteStart": 3, "byteEnd": 16}},
        FACET | {"index": {"byteStart": -3, "byteEnd": 18}},
        FACET | {"index": {"byteStart": True, "byteEnd": 18}},
        FACET | {"index": {"byteStart": 5, "byteEnd": 5}},
        FACET | {"index": None},
        FACET | {"features": [{"$type": "app.bsky.richtext.facet#mention", "did": "did:plc:x"}]},
        FACET | {"features": [{"$type": "app.bsky.richtext.facet#link", "uri": 7}]},
        FACET | {"features": None},
        *(None, "x", 7, []),
    ],
)
def test_a_range_that_is_none_of_the_texts_is_ignored(facet: Any) -> None:
    assert without_links(TEXT, [FACET]) == "é "
    assert without_links(TEXT, [facet]) == TEXT
    assert without_links(TEXT, facet) == TEXT


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(-2, 60), st.integers(-2, 60))))
def test_any_ranges_can_be_given(text: str, ranges: list[tuple[int, int]]) -> None:
    facets = [FACET | {"index": {"byteStart": start, "byteEnd": end}} for start, end in ranges]
    left = without_links(text, facets)
    assert len(left) <= len(text)
    assert without_links(text, []) == text
