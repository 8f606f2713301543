"""Names of accounts are found whole, in what we wrote ourselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.name_matching import is_of, is_titled, mentions, names_in, untitled
from tasks.core.names import Bot, Handle
from tests.strategies import handles

ALICE = Handle("alice")
FOLDERS = ("releases", "posts")
bots = st.sets(handles, min_size=1, max_size=3).map(lambda some: Bot(tuple(sorted(some))))


@pytest.mark.parametrize("name", ["alice", "@alice", "Alice", "alice-bob", "bob-alice", "alice."])
def test_a_bot_of_the_account(name: str) -> None:
    assert is_of(ALICE, name)


@pytest.mark.parametrize(
    "name", ["", "@", "malice", "alices", "alice_", "bob", "alice bob", "alice-bob-carol-dave",
             "alice.bsky.social", "alice" * 100, "bob-malice"],
)  # fmt: skip
def test_not_a_bot_of_the_account(name: str) -> None:
    assert not is_of(ALICE, name)


@given(bots)
def test_each_bot_is_of_each_of_its_handles_and_of_no_other(bot: Bot) -> None:
    for handle in bot.handles:
        assert is_of(handle, bot.name)
        assert is_of(handle, f"@{bot}")
        assert is_titled(handle, f"Predictions of @{bot}: fine")
        assert mentions(handle, {"uri": f"releases/{bot}/20260102-01234567"}, FOLDERS)
        title = untitled(handle, f"Predictions of @{bot}: fine")
        assert title == "Predictions of @…: fine"
    assert not is_of(Handle("nobody_at_all_"), bot.name)


@given(st.text())
def test_any_text_can_be_asked(text: str) -> None:
    assert is_titled(ALICE, text) == (untitled(ALICE, text) != text)
    assert all(f"@{name}" in text for name in names_in(text))


@pytest.mark.parametrize(
    "value",
    [
        "@alice: no posts are stored",
        {"handle": {"name": "alice"}},
        {"counts": {"alice": {"kept": 1}}},
        [{"__class__": "x", "data": {"uri": "releases/alice-bob/1/manifest.json"}}],
        {"folder": "/home/me/storage/posts/alice"},
        {"key": "posts/alice.json"},
        ["bob", "alice-bob"],
    ],
)
def test_what_mentions_the_account(value) -> None:
    assert mentions(ALICE, value, FOLDERS)


@pytest.mark.parametrize(
    "value",
    [
        "I like what @alice writes",
        {"text": "My dream is alice"},
        {"uri": "releases/malice/1"},
        {"uri": "elsewhere/alice/1"},
        {"name": "bob", "number": 3, "nothing": None},
        ["@malice: no posts"],
    ],
)
def test_what_does_not(value) -> None:
    assert not mentions(ALICE, value, FOLDERS)


MASTODON = Handle.parse("alice@mastodon.social")


@pytest.mark.parametrize(
    "name",
    [
        *("alice__mastodon.social", "@alice@mastodon.social", "Alice@Mastodon.Social."),
        *("https://mastodon.social/@alice", "alice__mastodon.social_bob__b.example"),
    ],
)
def test_an_account_of_mastodon_is_found_in_each_form(name: str) -> None:
    assert is_of(MASTODON, name)
    assert not is_of(ALICE, name)
    assert not is_of(Handle.parse("mastodon.social"), name)


def test_a_mastodon_account_is_no_other_account_of_its_name_or_server() -> None:
    for name in ("alice", "mastodon.social", "alice@b.example", "alice__b.example", "alice-bob"):
        assert not is_of(MASTODON, name)
    title = "to @alice@mastodon.social, @alice and @alice__mastodon.social: done"
    assert untitled(MASTODON, title) == "to @…, @alice and @…: done"
    assert untitled(ALICE, title) == title.replace("@alice and", "@… and")
    assert mentions(MASTODON, {"name": "alice@mastodon.social"}, FOLDERS)
    assert mentions(MASTODON, "posts/alice__mastodon.social/1.parquet", FOLDERS)
