"""Hypothesis strategies for the words of the design."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import strategies as st

from tasks.core.names import Handle
from tasks.core.records import Kind, Post

handles = st.from_regex(r"[a-z0-9_]{1,15}", fullmatch=True).map(Handle)
texts = st.text(max_size=300)
_naive = {"min_value": datetime(2006, 3, 21), "max_value": datetime(2030, 1, 1)}  # noqa: DTZ001 - hypothesis adds the zone
instants = st.datetimes(**_naive, timezones=st.just(UTC))


@st.composite
def posts(draw: st.DrawFn, handle: Handle | None = None) -> Post:
    """A post with any text, by `handle` or by anybody."""
    text = draw(texts)
    return Post(
        id=str(draw(st.integers(1, 2**63 - 1))),
        handle=handle or draw(handles),
        created_at=draw(st.none() | instants),
        text=text,
        lang=draw(st.none() | st.sampled_from(["en", "ja", "und"])),
        kind=draw(st.sampled_from(Kind)),
        source="table",
        raw=json.dumps({"text": text}),
    )
