from __future__ import annotations

import re

import pytest
from huggingface_hub.utils import validate_repo_id
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tasks.core.errors import BadInput, InvalidHandle
from tasks.core.names import BlueskyHandle, Bot, Handle, MastodonHandle
from tests.strategies import handles

LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
bluesky_handles = st.lists(LABELS, min_size=2, max_size=4).map(".".join).map(BlueskyHandle)
HARD_LABELS = st.from_regex(r"git|xn--[a-z]{1,3}---[a-z]", fullmatch=True)
SERVERS = st.lists(LABELS | HARD_LABELS, min_size=2, max_size=3).map(".".join)
USERS = st.from_regex(r"[a-z0-9_]{1,9}", fullmatch=True)
mastodon_handles = st.builds(MastodonHandle.of, USERS, SERVERS)
bots = st.one_of(
    st.sets(kind, min_size=1, max_size=3).map(lambda made_of: Bot(tuple(sorted(made_of))))
    for kind in (handles, bluesky_handles, mastodon_handles)
)


@pytest.mark.parametrize("text", ["../../etc", "a" * 21, "", "a b", "a-b", "é", "a/b", "@@a"])
def test_what_no_account_can_be_called_is_refused(text: str) -> None:
    with pytest.raises(InvalidHandle, match="letters, digits or underscores"):
        Handle.parse(text)
    with pytest.raises(InvalidHandle):
        Handle(f"a\n{text}")


def test_a_handle_is_forgiven_its_at_sign_blanks_and_capitals() -> None:
    assert Handle.parse(" @ElonMusk ") == Handle("elonmusk")


def test_a_handle_of_the_first_years_may_have_20_characters() -> None:
    assert Handle.parse("GardenDiaryOf2007").name == "gardendiaryof2007"
    assert Handle.parse("a" * 20) == Handle("a" * 20)


@pytest.mark.parametrize(
    "address",
    [
        *("https://x.com/alice", "http://x.com/Alice/", "x.com/alice", "x.com/@alice"),
        *("https://twitter.com/alice/status/1234?s=20", "https://mobile.twitter.com/alice?lang=en"),
        *("https://www.x.com/alice#top", "https://twitter.com/#!/alice", " HTTPS://X.COM/ALICE "),
    ],
)
def test_the_address_of_a_profile_on_x_is_a_handle(address: str) -> None:
    assert Handle.parse(address) == Handle("alice")
    assert Bot.parse(address) == Bot((Handle("alice"),))


@pytest.mark.parametrize(
    "address",
    [
        "https://bsky.app/profile/alice.bsky.social",
        "bsky.app/profile/@Alice.bsky.social/post/3kabc",
        "https://www.bsky.app/profile/alice.bsky.social?x=y",
    ],
)
def test_the_address_of_a_profile_on_bluesky_is_a_handle(address: str) -> None:
    assert Handle.parse(address) == BlueskyHandle("alice.bsky.social")
    assert Bot.parse(address) == Bot((BlueskyHandle("alice.bsky.social"),))


@pytest.mark.parametrize(
    "address",
    [
        *("https://x.com/", "https://x.com", "https://x.com/home", "x.com/i/web/status/1"),
        *("https://x.com/search?q=alice", "x.com/alice.bsky.social", "x.com/../alice"),
        *("https://bsky.app/profile/did:plc:abc", "bsky.app/profile/alice", "bsky.app/alice"),
        *("https://example.com/alice", "https://evil.com/x.com/alice", "https://xx.com/alice"),
        *("https://x.com/" + "a" * 21, "https://x.com/alice?" + "a" * 5_000, "ftp://x.com/alice"),
    ],
)
def test_an_address_that_is_no_profile_of_a_known_service_is_refused(address: str) -> None:
    with pytest.raises(InvalidHandle, match=r"is not a handle: .* such as https://x\.com/alice"):
        Handle.parse(address)
    with pytest.raises(InvalidHandle):
        Bot.parse(address)


hostile = st.from_regex(r"[@a-z0-9_.-]{0,300}", fullmatch=True)
addresses = st.tuples(
    st.sampled_from(["x.com/", "https://twitter.com/", "bsky.app/profile/"]), st.text() | hostile
).map("".join)


@given(st.text() | hostile | addresses)
def test_a_parsed_handle_is_always_a_safe_file_name(text: str) -> None:
    try:
        name = Handle.parse(text).name
    except InvalidHandle:
        return
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.")
    assert not name.startswith((".", "-"))
    assert ".." not in name
    assert 1 <= len(name) <= 200


def test_a_name_with_a_dot_is_a_bluesky_handle() -> None:
    handle = Handle.parse(" @Alice.Bsky.Social ")
    assert handle == BlueskyHandle("alice.bsky.social")
    assert type(Handle.parse("alice")) is Handle
    assert sorted([handle, Handle("bob"), Handle("al")]) == [Handle("al"), handle, Handle("bob")]
    assert str(BlueskyHandle("xn--ls8h.la")) == "xn--ls8h.la"
    assert len(BlueskyHandle(f"{'a.' * 97}alice").name) == 199


def test_a_handle_too_long_for_a_file_is_refused_by_its_length() -> None:
    with pytest.raises(InvalidHandle, match="has 253 characters"):
        BlueskyHandle(f"{'a.' * 124}alice")


@pytest.mark.parametrize(
    "text",
    [
        *("a.", ".a", "a..b", "a.b_c", "-a.com", "a-.com", "a.1", "a.com\n", "a.é", "a b.com"),
        *("a.b/c", "a.\0b", f"{'a' * 64}.com", f"{'a.' * 125}alice"),
    ],
)
def test_what_no_domain_can_be_called_is_refused(text: str) -> None:
    with pytest.raises(InvalidHandle, match=r"alice\.bsky\.social"):
        BlueskyHandle(text)
    with pytest.raises(InvalidHandle):
        Handle(text)


def test_each_kind_refuses_the_names_of_the_other() -> None:
    with pytest.raises(InvalidHandle):
        Handle("alice.bsky.social")
    with pytest.raises(InvalidHandle):
        BlueskyHandle("alice")


@given(bots)
def test_a_bot_is_found_again_by_its_name(bot: Bot) -> None:
    assert Bot.parse(bot.name) == bot


def test_a_bluesky_bot_joins_its_handles_by_an_underscore() -> None:
    bot = Bot.parse("bob-by.example.com_alice.bsky.social")
    assert bot.name == "alice.bsky.social_bob-by.example.com"
    assert bot.handles == (BlueskyHandle("alice.bsky.social"), BlueskyHandle("bob-by.example.com"))


def test_a_bot_is_all_x_or_all_bluesky() -> None:
    with pytest.raises(BadInput, match=r"^@alice, @bob\.com: handles of Bluesky and of X"):
        Bot.parse("bob.com_alice")
    with pytest.raises(BadInput, match="mixed"):
        Bot((Handle("alice"), BlueskyHandle("bob.com")))


def test_a_bot_whose_name_no_file_could_have_is_refused() -> None:
    long = f"{'a' * 60}.{'b' * 60}.com"
    assert Bot.parse(long).name == long
    with pytest.raises(BadInput, match="252 characters, over 200"):
        Bot.parse(f"{long}_b{long}")


def test_a_dumped_handle_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidHandle):
        TypeAdapter(Bot).validate_python({"handles": [{"name": "../../etc.x"}]})


@given(st.lists(handles, min_size=1, max_size=3))
def test_a_bot_is_named_after_its_handles_in_any_order(made_of: list[Handle]) -> None:
    bots = {Bot.parse("-".join(h.name for h in order)) for order in (made_of, made_of[::-1])}
    assert len(bots) == 1
    bot = bots.pop()
    assert Bot.parse(bot.name) == bot


@pytest.mark.parametrize("text", ["a-b-c-d", "", "a--b", "../x"])
def test_what_is_no_bot_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        Bot.parse(text)


def test_a_bot_keeps_its_handles_sorted_and_different() -> None:
    with pytest.raises(BadInput, match="sorted"):
        Bot((Handle("b"), Handle("a")))


@given(handle=mastodon_handles)
def test_the_form_of_a_mastodon_handle_is_reversible_and_valid_everywhere(
    handle: MastodonHandle,
) -> None:
    assert Handle.parse(handle.name) == handle
    assert Handle.parse(f"@{handle.written}".upper()) == handle
    assert MastodonHandle.of(handle.user, handle.server) == handle
    assert re.fullmatch(r"[a-z0-9_][a-z0-9._-]*[a-z0-9]", handle.name)
    assert not re.search(r"--|\.\.|\.git$|@", handle.name)


@given(made_of=st.sets(mastodon_handles, min_size=1, max_size=3))
def test_no_other_handle_or_bot_has_a_name_of_mastodons(made_of: set[MastodonHandle]) -> None:
    name = Bot(tuple(sorted(made_of))).name
    assert not Handle.is_valid(name)
    assert not all(Handle.is_valid(part) for part in name.split(Handle.joint))
    assert not BlueskyHandle.is_valid(name)
    assert not all(BlueskyHandle.is_valid(part) for part in name.split(BlueskyHandle.joint))


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("@Alice@Mastodon.Social", "alice__mastodon.social"),
        ("alice__mastodon.social", "alice__mastodon.social"),
        ("_a__b_@xn--a--b.example", "_a__b___xn-.-a-.-b.example"),
        ("alice@x---y.git", "alice__x-.-.-y.-git"),
        ("https://mastodon.social/@alice", "alice__mastodon.social"),
        ("mastodon.social/@alice/109372843234#x", "alice__mastodon.social"),
        ("https://mastodon.social/users/Alice", "alice__mastodon.social"),
        ("https://hachyderm.io/@alice@mastodon.social", "alice__mastodon.social"),
    ],
)
def test_a_mastodon_handle_is_known_in_each_form(typed: str, name: str) -> None:
    handle = Handle.parse(typed)
    assert type(handle) is MastodonHandle
    assert (handle.name, Bot.parse(typed).name) == (name, name)


@pytest.mark.parametrize(
    "text",
    [
        *("a@b", "@@b.social", "a@b.social@c.social", "a.b@c.social", "a@localhost", "a@1.2.3.4"),
        *("a@b.social:3000", "__b.social", "a__b_.social", "é@b.social", "a@-b.social"),
        *("a__b.social_", "a__b.social_c", "a__b.social__c.social_d.social"),
    ],
)
def test_what_no_account_of_mastodon_can_be_called_is_refused(text: str) -> None:
    with pytest.raises(InvalidHandle):
        Bot.parse(text)


def test_only_the_canonical_form_is_a_name() -> None:
    for name in ("a__x--y.social", "a__b.git", "a__b.-git.social", "a@b.social"):
        with pytest.raises(InvalidHandle):
            MastodonHandle(name)
    with pytest.raises(InvalidHandle, match="206 characters"):
        MastodonHandle.of("a" * 3, ".".join(["b" * 49] * 4) + ".c")


def test_a_bot_of_several_mastodon_accounts_is_written_with_or_without_at_signs() -> None:
    bot = Bot.parse("bob@b.example_alice@a.example")
    assert bot.name == "alice__a.example_bob__b.example"
    assert Bot.parse(bot.name) == bot


def repository_name(bot: Bot) -> str:
    validate_repo_id(f"me/{bot.hub_name}")
    return bot.hub_name


@pytest.mark.parametrize(
    "name",
    [
        *("xn--ls8h.la", "alice.git", "a--b--c.example.com", f"{'a' * 60}.{'b' * 60}.com"),
        "alice.bsky.social_xn--ls8h.la",
    ],
)
def test_a_name_that_the_hub_refuses_has_a_safe_one_there(name: str) -> None:
    safe = repository_name(Bot.parse(name))
    assert safe != name
    assert re.fullmatch(r".*-[0-9a-f]{8}", safe)


@given(bots)
def test_each_bot_has_a_name_on_the_hub_of_its_own(bot: Bot) -> None:
    """Whatever the Hub's own client refuses."""
    assert (repository_name(bot) == bot.name) or len(bot.name) > 96 or "--" in bot.name
