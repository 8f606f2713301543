"""The vectorised filter against a plain loop that does the same."""

from __future__ import annotations

import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import BadInput
from tasks.curation.classic import classic, clean
from tests.tasks.curation.lake_tables import lake_table
from tests.tasks.curation.plain_classic import clean as plain_clean
from tests.tasks.curation.plain_classic import kept_texts

_BLANKS = "".join(chr(c) for c in range(sys.maxunicode + 1) if chr(c).isspace())
_PIECES = st.sampled_from(
    [
        *(
            "http:",
            "https:",
            "http://t.co/a",
            "HTTP://b",
            "https",
            "t.co/x",
            "(https:",
            "http:http:",
        ),
        *("&amp;", "&lt;", "&gt;", "&amp;lt;", "&quot;", "&", "amp;", "@you", "#tag", "word", "é"),
        *("日本", "😂", "\u200b", "\u2060", "\x00", "\n", " ", "  ", ".", "<|endoftext|>"),
    ]
)
_texts = st.lists(_PIECES | st.sampled_from(_BLANKS) | st.text(max_size=3), max_size=12).map(
    "".join
)
_posts = st.lists(st.tuples(_texts, st.booleans()), max_size=12)


@given(_posts)
def test_it_equals_the_plain_loop(posts: list[tuple[str, bool]]):
    kinds = ["retweet" if retweet else "reply" for _, retweet in posts]
    found = classic(lake_table([text for text, _ in posts], kinds=kinds))
    kept, retweets, short = kept_texts(posts)
    assert found.kept["text"].to_pylist() == kept
    assert found.counts.dropped == {"retweet": retweets, "short": short}
    assert found.counts.kept == len(kept)


def test_every_character_is_a_blank_to_it_if_it_is_to_python():
    assert max(_BLANKS) < "\u3100"
    characters = [chr(c) for c in range(0x3100)]
    texts = [f" http:{c}b{c}" for c in characters]
    assert clean(pa.array(texts, pa.large_string())).to_pylist() == [*map(plain_clean, texts)]


def test_the_kept_columns_belong_together():
    found = classic(lake_table(["a", "one two three", "x", "four five six"], source="x_archive"))
    assert found.kept.column_names == ["id", "created_at", "text", "lang", "source"]
    assert found.kept["id"].to_pylist() == ["2", "4"]
    assert found.kept["source"].to_pylist() == ["x_archive"] * 2


def test_no_post_is_no_post():
    assert classic(lake_table([])).counts.dropped == {"retweet": 0, "short": 0}


def test_texts_in_many_chunks_are_one_column():
    parts = [lake_table(["one two three http://t.co/a"]), lake_table(["four five six"])]
    found = classic(pa.concat_tables(parts))
    assert found.kept["text"].to_pylist() == ["one two three", "four five six"]


def test_it_says_that_it_knows_no_languages():
    with pytest.raises(BadInput, match="cannot keep only en, ja: use the filter modern"):
        classic(lake_table([]), ("en", "ja"))
