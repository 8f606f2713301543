from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import BadInput, UnreadableSource
from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.sources.file_sources import open_file_source
from tasks.sources.files.javascript import CHUNK
from tests.tasks.sources.x_archive.archives import (
    archive_files,
    script,
    tweet,
    write_folder,
    write_zip,
)

ALICE = Handle("alice")
LONG = "It is a long story " * 20
CUT = LONG[:270] + "… https://t.co/abc"


def posts_of(path: Path, handle: Handle | None = None) -> list[Post]:
    return list(chain.from_iterable(open_file_source(path, handle).batches(None)))


def zipped(tmp_path: Path, *parts: list[dict[str, Any]], **more: str) -> Path:
    return write_zip(tmp_path / "archive.zip", archive_files(*parts, **more))


def test_all_parts_are_read_in_order(tmp_path: Path):
    parts = [[tweet(n, f"post {n}")] for n in range(12)]
    assert [post.id for post in posts_of(zipped(tmp_path, *parts))] == [str(n) for n in range(12)]


def test_a_post_is_as_x_wrote_it(tmp_path: Path):
    element = tweet(2**63 - 1, "you &amp; me &lt;3 😀")
    (post,) = posts_of(zipped(tmp_path, [element]))
    assert json.loads(post.raw) == element
    assert post == Post(
        id="9223372036854775807",
        handle=ALICE,
        created_at=datetime(2018, 10, 10, 20, 19, 24, tzinfo=UTC),
        text="you &amp; me &lt;3 😀",
        lang="en",
        kind=Kind.POST,
        source="x_archive",
        raw=post.raw,
    )


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, Kind.POST),
        ({"full_text": "RT @bob: hi"}, Kind.RETWEET),
        ({"retweeted_status": {"id_str": "1"}}, Kind.RETWEET),
        ({"in_reply_to_status_id": "7"}, Kind.REPLY),
        ({"in_reply_to_user_id": "7"}, Kind.REPLY),
        ({"quoted_status_id": "7"}, Kind.QUOTE),
        ({"retweeted_status": None, "in_reply_to_status_id": "", "lang": 3}, Kind.POST),
    ],
)
def test_the_kind_is_told_by_the_fields(tmp_path: Path, fields: dict[str, Any], kind: Kind):
    (post,) = posts_of(zipped(tmp_path, [{"tweet": tweet(1, "hi")["tweet"] | fields}]))
    assert post.kind is kind


def test_deleted_and_circle_posts_are_never_read(tmp_path: Path):
    secret = "this is not JSON and would fail if it were read"  # noqa: S105 - a text
    path = zipped(
        tmp_path,
        [tweet(1, "kept"), tweet(2, "gone", deleted_at="2020")],
        deleted_tweets=secret,
        deleted_tweet_headers=secret,
        twitter_circle_tweet=secret,
        direct_messages=secret,
    )
    assert [post.text for post in posts_of(path)] == ["kept"]


@pytest.mark.parametrize("root", ["", "data/", "twitter-2024-01-01/", "twitter-2024-01-01/data/"])
def test_the_posts_are_found_wherever_the_archive_was_packed(tmp_path: Path, root: str):
    files = {
        f"{root}tweet.js": script("tweet", [tweet(1, "old")]),
        f"{root}account.js": script("account", [{"account": {"username": "Alice"}}]),
    }
    for path in (write_zip(tmp_path / "a.zip", files), write_folder(tmp_path / "a", files)):
        source = open_file_source(path, None)
        assert source.handle == ALICE
        assert source.profile().display_name == "alice"
        assert [post.text for batch in source.batches(None) for post in batch] == ["old"]


def test_elements_without_a_wrapper_are_posts_too(tmp_path: Path):
    (post,) = posts_of(zipped(tmp_path, [{"id": 5, "text": "bare", "created_at": "nonsense"}]))
    assert (post.id, post.text, post.created_at) == ("5", "bare", None)


def test_the_older_format(tmp_path: Path):
    month = "Grailbird.data.tweets_2014_07 = \n" + json.dumps(
        [
            {
                "id_str": "494970488012414976",
                "text": "hello",
                "created_at": "2014-07-31 22:18:55 +0000",
                "retweeted_status": {"text": "hello"},
            }
        ]
    )
    details = 'var user_details = {"screen_name": "Alice", "full_name": "A. L."}'
    files = {"data/js/tweets/2014_07.js": month, "data/js/user_details.js": details}
    path = write_folder(tmp_path / "old", files)
    (post,) = posts_of(path)
    assert (post.kind, post.created_at) == (
        Kind.RETWEET,
        datetime(2014, 7, 31, 22, 18, 55, tzinfo=UTC),
    )
    assert open_file_source(path, None).profile().display_name == "A. L."


def test_an_archive_larger_than_a_chunk_is_read_whole(tmp_path: Path):
    count = 2 * CHUNK // 1_000
    path = zipped(tmp_path, [tweet(n, "ぁ" * 400) for n in range(count)])
    batches = list(open_file_source(path, None).batches(None))
    assert [post.id for batch in batches for post in batch] == [str(n) for n in range(count)]
    assert max(map(len, batches)) == 1_000


def test_a_note_shorter_than_the_cut_text_with_its_link_is_the_whole_text(tmp_path: Path):
    whole = LONG[:296]
    cut = f"{whole[:275]}… https://t.co/abcdefghij"
    assert len(whole) < len(cut)
    entry = note(core={"text": whole}, createdAt="2018-10-10T20:19:24.000Z")
    path = zipped(tmp_path, [tweet(1, cut)], note_tweet=script("note_tweet", [entry]))
    assert [post.text for post in posts_of(path)] == [whole]


def test_an_edit_says_which_versions_it_replaces(tmp_path: Path):
    versions = ["17", "18"]
    first = tweet(17, "a tpyo", edit_info={"initial": {"editTweetIds": versions}})
    control = {"initialTweetId": "17", "editControlInitial": {"editTweetIds": versions}}
    second = tweet(18, "a typo", edit_info={"edit": control})
    posts = posts_of(zipped(tmp_path, [first, second]))
    assert [(post.id, post.replaces) for post in posts] == [("17", ()), ("18", ("17",))]


def test_posts_in_communities_are_posts(tmp_path: Path):
    element = tweet(2, "hello gardeners", community_id="9")
    community = script("community_tweet", [element])
    posts = posts_of(zipped(tmp_path, [tweet(1, "hello")], community_tweet=community))
    assert {(post.id, post.kind) for post in posts} == {("1", Kind.POST), ("2", Kind.POST)}


def note(**fields: Any) -> dict[str, Any]:
    return {"noteTweet": {"noteTweetId": "99", **fields}}


@pytest.mark.parametrize(
    ("entry", "joined"),
    [
        (note(core={"text": LONG}, createdAt="2018-10-10T20:19:24.000Z"), True),
        (note(core={"text": LONG}, createdAt="2018-10-10T20:19:29.000Z"), True),
        (note(core={"text": "@bob " + LONG}, createdAt="2018-10-10T20:19:20.000Z"), True),
        (note(core={"text": LONG}, createdAt="2018-10-10T20:19:31.000Z"), False),
        (note(core={"text": "Else " * 90}, createdAt="2018-10-10T20:19:24.000Z"), False),
        (note(noteTweetResults={"text": LONG}, tweetId="1"), True),
        (note(noteTweetResults={"text": LONG}, tweetId="2"), False),
        ({"noteTweetResults": {"text": LONG, "tweetId": "1"}}, True),
        (note(core={"text": LONG}), False),
        (note(core={"text": 3}), False),
        ({"noteTweet": "?"}, False),
    ],
)
def test_long_posts_get_their_whole_text(tmp_path: Path, entry: dict[str, Any], joined: bool):
    path = zipped(tmp_path, [tweet(1, CUT)], note_tweet=script("note_tweet", [entry]))
    (post,) = posts_of(path)
    assert post.text == (LONG if joined and "@bob" not in str(entry) else post.text)
    assert (post.text != CUT) is joined


def test_a_note_leaves_other_posts_alone(tmp_path: Path):
    entry = note(core={"text": LONG}, createdAt="2018-10-10T20:19:24.000Z")
    posts = [tweet(1, CUT), tweet(2, "It is a long story"), tweet(3, CUT, created_at="")]
    path = zipped(tmp_path, posts, note_tweet=script("note_tweet", [entry]))
    assert [post.text for post in posts_of(path)] == [LONG, "It is a long story", CUT]


def test_the_profile_has_name_and_avatar(tmp_path: Path):
    avatar = {"profile": {"avatarMediaUrl": "https://pbs.twimg.com/profile_images/1/a.jpg"}}
    source = open_file_source(zipped(tmp_path, [], profile=script("profile", [avatar])), None)
    assert source.name == "x_archive"
    assert source.profile().display_name == "Alice & Söhne"
    assert source.profile().avatar_url == "https://pbs.twimg.com/profile_images/1/a.jpg"


@pytest.mark.parametrize(
    "profile", ["[]", '[{"profile": {"avatarMediaUrl": "file:///etc/passwd"}}]', '"x"', "[3]"]
)
def test_what_is_no_avatar_is_none(tmp_path: Path, profile: str):
    source = open_file_source(
        zipped(tmp_path, [], profile="window.YTD.profile.part0 = " + profile), None
    )
    assert source.profile().avatar_url is None


def test_a_handle_has_to_be_the_archives(tmp_path: Path):
    path = zipped(tmp_path, [])
    assert open_file_source(path, ALICE).handle == ALICE
    with pytest.raises(BadInput, match="@alice's, not @bob's"):
        open_file_source(path, Handle("bob"))


def test_an_archive_that_does_not_say_whose_it_is_needs_a_handle(tmp_path: Path):
    path = write_zip(tmp_path / "a.zip", {"data/tweets.js": script("tweets", [tweet(1, "x")])})
    with pytest.raises(BadInput, match="--handle"):
        open_file_source(path, None)
    assert open_file_source(path, Handle("bob")).profile().display_name == "bob"


def test_a_handle_that_leads_elsewhere_is_refused(tmp_path: Path):
    files = archive_files([]) | {
        "data/manifest.js": 'window.__THAR_CONFIG = {"userInfo": {"userName": "../../etc"}}'
    }
    with pytest.raises(UnreadableSource, match="is not a handle"):
        open_file_source(write_zip(tmp_path / "a.zip", files), None)


@pytest.mark.parametrize(
    "element",
    [
        {"tweet": {"full_text": "no id"}},
        {"tweet": {"id_str": "1"}},
        {"tweet": {"id_str": "../1", "full_text": "x"}},
        {"tweet": {"id_str": "1", "full_text": ["x"]}},
        {"tweet": 3},
    ],
)
def test_what_is_no_post_is_named(tmp_path: Path, element: dict[str, Any]):
    path = zipped(tmp_path, [element])
    with pytest.raises(UnreadableSource, match=r"data/tweets\.js: a post without"):
        posts_of(path)


def test_of_the_notes_of_a_second_the_one_that_goes_on_as_the_post_does_is_taken(tmp_path: Path):
    texts = [f"{LONG} and then {end}{' it went on' * 9}" for end in "badce"]
    notes = [note(core={"text": text}, createdAt="2018-10-10T20:19:24.000Z") for text in texts]
    posts = [tweet(n, f"{text[:-80]}… https://t.co/abc") for n, text in enumerate(texts, 1)]
    path = zipped(tmp_path, posts, note_tweet=script("note_tweet", notes))
    assert [post.text for post in posts_of(path)] == texts
