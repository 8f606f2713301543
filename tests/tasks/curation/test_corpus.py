"""From posts to a corpus, and into the storage and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import BadInput, NotEnoughPosts, StorageUnusable
from tasks.core.names import Bot, Handle
from tasks.curation.corpus import SEPARATOR, Curated, build_corpus
from tasks.curation.corpus_files import read_all_posts, read_corpus, write_corpus
from tasks.curation.splitting import hold_out
from tasks.storage import Storage
from tests.tasks.curation.lake_tables import START, lake_table, sentences

ALICE, BOB = Handle("alice"), Handle("bob")
BOT, TWO = Bot((ALICE,)), Bot((ALICE, BOB))


def curated(
    bot: Bot = BOT, *tables: pa.Table, floor: int = 0, filter_name: str = "modern"
) -> Curated:
    posts = dict(zip(bot.handles, tables, strict=True))
    return build_corpus(bot, posts, filter_name=filter_name, floor=floor, warn_below=2_500)


def held_out_ids(corpus: Curated) -> list[str]:
    rows = corpus.table.to_pylist()
    return [row["id"] for row in rows if row["split"] == "held_out"]


@pytest.mark.parametrize(("posts", "held_out"), [(40, 20), (199, 20), (300, 30), (4_100, 400)])
def test_the_newest_tenth_is_held_out(posts: int, held_out: int):
    corpus = curated(BOT, lake_table(sentences(posts)))
    newest = [str(place) for place in range(posts - held_out + 1, posts + 1)]
    assert held_out_ids(corpus) == newest
    assert (corpus.train, corpus.held_out) == (posts - held_out, held_out)


def test_what_a_corpus_tells():
    texts = [*sentences(50), "RT @x: this is it", "short"]
    corpus = curated(BOT, lake_table(texts, source="x_archive"))
    assert corpus.table.column_names == ["handle", "id", "text", "split"]
    assert corpus.characters == len(SEPARATOR.join(sentences(50)))
    assert corpus.counts["alice"].kept == corpus.train + corpus.held_out == 50
    assert corpus.sources == ("x_archive",)
    assert (corpus.first_post, corpus.last_post) == ("2026-01-01", "2026-01-03")
    assert corpus.counts["alice"].downloaded == 52
    assert corpus.counts["alice"].dropped == {"retweet": 1, "short": 1}


def test_little_text_is_warned_about_in_one_line():
    assert curated(BOT, lake_table(sentences(60))).warning is None
    warning = curated(BOT, lake_table(sentences(40))).warning
    assert warning is not None
    assert warning.startswith("@alice: only 2")
    assert "under 2,500" in warning
    assert "\n" not in warning


@pytest.mark.parametrize(
    ("texts", "floor", "filter_name", "said"),
    [
        ([], 6000, "modern", "@alice: 0 of 0 posts were kept, with 0 characters, .* needs 6000"),
        (sentences(50), 6000, "modern", "50 of 50 posts .* HUGGINGTWEETS_MIN_CHARACTERS"),
        (sentences(39), 0, "modern", "39 of 39 posts .* at least 40 posts are needed"),
        (["one two three"] * 50, 0, "classic", "of 50 kept posts only 0 have a text"),
    ],
)
def test_too_little_is_told_with_what_to_do(texts: list, floor: int, filter_name: str, said: str):
    with pytest.raises(NotEnoughPosts, match=said):
        curated(BOT, lake_table(texts), floor=floor, filter_name=filter_name)


def test_the_floor_itself_is_enough():
    characters = curated(BOT, lake_table(sentences(50))).characters
    assert curated(BOT, lake_table(sentences(50)), floor=characters).characters == characters
    with pytest.raises(NotEnoughPosts):
        curated(BOT, lake_table(sentences(50)), floor=characters + 1)


def test_an_unknown_filter_is_bad_input():
    with pytest.raises(BadInput, match="classic, modern"):
        curated(BOT, lake_table([]), filter_name="none")


def test_a_repeated_text_is_trained_on_and_an_older_one_held_out_for_it():
    texts = [*sentences(300), "say this again", "SAY this again", "say this again"]
    corpus = curated(BOT, lake_table(texts), filter_name="classic")
    assert held_out_ids(corpus) == [str(place) for place in range(271, 301)]
    assert corpus.counts["alice"].kept == corpus.train + corpus.held_out == 303


def test_newest_is_by_date_and_posts_without_one_are_oldest():
    table = lake_table(sentences(40))
    dates = [START - timedelta(hours=place) if place < 30 else None for place in range(40)]
    posts = table.set_column(2, "created_at", pa.array(dates, table.schema.field(2).type))
    assert held_out_ids(curated(BOT, posts)) == [str(place) for place in range(1, 21)]


def test_without_dates_a_seed_draws():
    corpus = curated(BOT, lake_table(sentences(60), dated=False))
    drawn = held_out_ids(corpus)
    assert len(drawn) == 20
    assert drawn != [str(place) for place in range(41, 61)]
    assert corpus.drawn == ("alice",)
    assert (corpus.first_post, corpus.last_post) == (None, None)
    assert held_out_ids(curated(BOT, lake_table(sentences(60), dated=False))) == drawn


def test_a_new_post_moves_at_most_one_drawn_one():
    before, after = (
        set(held_out_ids(curated(BOT, lake_table(sentences(number), dated=False))))
        for number in (150, 151)
    )
    assert len(before - after) <= 1


def test_where_most_posts_have_dates_the_newest_are_held_out():
    corpus = curated(TWO, lake_table(sentences(60)), lake_table(sentences(60, 60), handle="bob"))
    assert corpus.drawn == ()
    posts = lake_table(sentences(60)), lake_table(sentences(60, 60), handle="bob", dated=False)
    assert curated(TWO, *posts).drawn == ("bob",)


def test_every_handle_is_held_out_in_proportion():
    posts = lake_table(sentences(900)), lake_table(sentences(110, 900), handle="bob")
    corpus = curated(TWO, *posts)
    rows = corpus.table.to_pylist()
    held_out = [row["handle"] for row in rows if row["split"] == "held_out"]
    assert (held_out.count("alice"), held_out.count("bob")) == (90, 11)
    assert [row["handle"] for row in rows] == ["alice"] * 900 + ["bob"] * 110
    assert sum(counts.kept for counts in corpus.counts.values()) == 1010


def test_a_handle_with_few_posts_is_held_out_too():
    posts = lake_table(sentences(3_000)), lake_table(sentences(2, 3_000), handle="bob")
    rows = curated(TWO, *posts).table.to_pylist()
    assert sum(row["handle"] == "bob" and row["split"] == "held_out" for row in rows) == 1


_texts = st.sampled_from(["same words here", "Same words here"]) | st.integers(0, 400).map(
    lambda n: f"words number {n}"
)
_tables = st.lists(st.lists(_texts, max_size=120), min_size=1, max_size=3)


@given(_tables)
def test_the_split_is_disjoint_and_deterministic(texts: list[list[str]]):
    tables = [lake_table(each) for each in texts]
    split = hold_out(tables)
    again = hold_out([table.slice(0) for table in tables])
    assert [flags.tolist() for flags in split] == [flags.tolist() for flags in again]
    said = [
        (text.lower(), bool(held))
        for each, flags in zip(texts, split, strict=True)
        for text, held in zip(each, flags, strict=True)
    ]
    held_out = {text for text, held in said if held}
    assert not held_out & {text for text, held in said if not held}
    assert len(held_out) == sum(held for _, held in said) <= 400


def test_a_stored_corpus_is_read_back(storage: Storage):
    posts = lake_table(sentences(60)), lake_table(["été à la plage 日本", *sentences(60, 60)])
    made = curated(TWO, *posts)
    corpus = write_corpus(storage, made, TWO, "modern")
    texts = read_corpus(storage, corpus)
    assert corpus.file.rows == len(texts.train) + len(texts.held_out) == 121
    assert (len(texts.train), len(texts.held_out)) == (corpus.train, corpus.held_out)
    assert texts.train_handles == ["alice"] * 50 + ["bob"] * 51
    assert texts.train[50] == "été à la plage 日本"
    assert corpus.filter == "modern"
    assert pq.read_table(storage.local(corpus.file.uri)).equals(made.table)


def test_the_same_posts_give_the_same_file(storage: Storage):
    first = write_corpus(storage, curated(BOT, lake_table(sentences(60))), BOT, "modern")
    chunked = pa.concat_tables(
        [lake_table(sentences(60)).slice(0, 7), lake_table(sentences(60))[7:]]
    )
    again = write_corpus(storage, curated(BOT, chunked), BOT, "modern")
    other = write_corpus(storage, curated(BOT, lake_table(sentences(61))), BOT, "modern")
    assert first == again
    assert other.file.uri != first.file.uri
    corpora = {first.file.uri, other.file.uri}
    assert set(storage.keys("corpora/alice")) == {*corpora, "corpora/alice/all_posts.parquet"}


def test_the_list_of_all_posts_is_that_of_the_latest_corpus(storage: Storage):
    texts = [*sentences(60), "RT @bob: this is not mine"]
    first = write_corpus(storage, curated(BOT, lake_table(texts)), BOT, "modern")
    listed = read_all_posts(storage, first)
    assert listed is not None
    assert listed.column_names == ["handle", "id", "source"]
    assert listed.num_rows == 61
    assert first.file.rows == 60
    write_corpus(storage, curated(BOT, lake_table(sentences(60))), BOT, "modern")
    assert read_all_posts(storage, first) is None
    assert read_all_posts(storage, replace(first, all_posts=None)) is None


def test_the_languages_are_those_of_the_kept_posts(storage: Storage):
    texts = [*sentences(60), *(f"RT @bob: {text}" for text in sentences(60))]
    table = lake_table(texts, languages=["pt"] * 40 + ["en"] * 20 + ["ja"] * 60)
    corpus = write_corpus(storage, curated(BOT, table), BOT, "modern")
    assert corpus.languages == ("pt", "en")


def test_a_changed_or_lost_file_is_not_trusted(storage: Storage):
    corpus = write_corpus(storage, curated(BOT, lake_table(sentences(60))), BOT, "modern")
    storage.write(corpus.file.uri, storage.read(corpus.file.uri) + b" ")
    with pytest.raises(StorageUnusable, match=r"@alice: the corpus .* is not what was written"):
        read_corpus(storage, corpus)
    storage.delete(corpus.file.uri)
    with pytest.raises(StorageUnusable, match="cannot be read: retrain the bot"):
        read_corpus(storage, corpus)
