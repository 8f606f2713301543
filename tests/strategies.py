"""Hypothesis strategies for the words of the design."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tasks.core.names import Handle
from tasks.core.records import Kind, Post

# How many examples there are the profile says (see conftest); of what is dear, such as a picture,
# a quarter.
few_examples = settings(max_examples=settings.default.max_examples // 4)
# The test gives each example what it needs of its fixtures anew, or works on what the last left.
fixture_shared_by_examples = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

handles = st.from_regex(r"[a-z0-9_]{1,15}", fullmatch=True).map(Handle)
texts = st.text(max_size=300)
# What a cell of a table may hold in every format.
cells = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)
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
