"""Both filters as their users see them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import BadInput
from tasks.core.names import Handle
from tasks.core.records import Kind
from tasks.curation.filters import FILTERS, find_filter
from tasks.curation.modern import modern
from tests.strategies import posts as any_posts
from tests.tasks.curation.lake_tables import lake_table

_posts = st.lists(any_posts(Handle("alice")), max_size=20)
REASONS = ["retweet", "short", "duplicate", "other language"]


@pytest.mark.parametrize("name", FILTERS)
@given(_posts)
def test_every_post_is_kept_or_counted_under_a_reason(name: str, posts: list):
    table = lake_table([p.text for p in posts], kinds=[p.kind for p in posts])
    found = find_filter(name)(table)
    reasons = list(found.counts.dropped)
    assert found.counts.downloaded == len(posts)
    assert found.counts.kept == found.kept.num_rows
    assert found.counts.downloaded == found.kept.num_rows + sum(found.counts.dropped.values())
    assert reasons[:2] == ["retweet", "short"]
    assert found.counts.dropped["retweet"] >= sum(p.kind is Kind.RETWEET for p in posts)
    assert not any(found.counts.dropped[reason] == 0 for reason in reasons[2:])


@given(_posts, st.sampled_from([("en",), ("ja", "en")]))
def test_asking_for_languages_keeps_no_more_and_counts_in_order(posts: list, languages: tuple):
    table = lake_table(
        [p.text for p in posts], kinds=[p.kind for p in posts], languages=[p.lang for p in posts]
    )
    everything, asked = modern(table), modern(table, languages)
    assert list(asked.counts.dropped) == [r for r in REASONS if r in asked.counts.dropped]
    assert asked.counts.kept <= everything.counts.kept


def test_modern_gives_each_post_its_reason():
    texts = {
        "one two three &amp; four": "post",
        "this was retweeted by me": "retweet",
        "so true RT @x: this is it": "reply",
        "@you hello": "reply",
        "One  two THREE &amp; four https://t.co/AbCd012345": "post",
        "un deux trois": "post",
    }
    table = lake_table(
        list(texts), kinds=list(texts.values()), languages=["en"] * 5 + ["fr"], source="x_api"
    )
    found = modern(table, ("en",))
    assert found.kept["text"].to_pylist() == ["one two three & four"]
    assert found.counts.dropped == dict(zip(REASONS, (2, 1, 1, 1), strict=True))
    assert list(found.counts.dropped) == REASONS


def test_a_post_does_not_fall_to_a_copy_in_another_language():
    table = lake_table(["no no no", "no no no"], languages=["es", "en"])
    found = modern(table, ("en",))
    assert found.kept["id"].to_pylist() == ["2"]
    assert found.counts.dropped == {"retweet": 0, "short": 0, "other language": 1}


def test_an_unknown_filter_is_answered_with_the_known_ones():
    with pytest.raises(BadInput, match="unknown filter 'moderne': use one of classic, modern"):
        find_filter("moderne")
