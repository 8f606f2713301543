from __future__ import annotations

import random
import re
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.core.errors import HuggingtweetsError, UnreadableSource
from tasks.core.names import Handle
from tasks.sources.file_sources import file_digest, open_file_source
from tasks.sources.files.javascript import CHUNK, MAX_ELEMENT, MAX_SMALL
from tasks.sources.x_archive.index import MAX_LONG_POSTS
from tests.strategies import fixture_shared_by_examples
from tests.tasks.sources.x_archive.archives import (
    archive_files,
    script,
    tweet,
    write_folder,
    write_zip,
)

TWEETS = "data/tweets.js"
HONEST = archive_files([tweet(1, "one"), tweet(2, "two")])


def import_all(path: Path) -> int:
    source = open_file_source(path, None)
    return sum(len(batch) for batch in source.batches(None))


def patched(path: Path, signature: bytes, offset: int, value: bytes) -> Path:
    """The zip with some bytes after each of its headers of a kind replaced."""
    content = bytearray(path.read_bytes())
    for found in re.finditer(re.escape(signature), bytes(content)):
        content[found.start() + offset : found.start() + offset + len(value)] = value
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.js", "data/../../x.js", "\\x", "a\\..\\b"])
def test_names_that_leave_the_archive_are_refused(tmp_path: Path, name: str):
    path = write_zip(tmp_path / "a.zip", HONEST | {name: "x"})
    with pytest.raises(UnreadableSource, match="leaves the archive"):
        import_all(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path):
    folder = write_folder(tmp_path / "a", HONEST)
    outside = tmp_path / "outside.js"
    outside.write_text(script("tweets", [tweet(3, "secret")]))
    (folder / TWEETS).unlink()
    (folder / TWEETS).symlink_to(outside)
    with pytest.raises(UnreadableSource, match="a link that leaves"):
        import_all(folder)
    with pytest.raises(UnreadableSource, match="a link that leaves"):
        file_digest(folder)


def test_a_bomb_by_ratio_is_refused_before_it_is_opened(tmp_path: Path):
    media = random.Random(0).randbytes(1 << 20).hex()  # so that the zip as a whole is none
    path = write_zip(tmp_path / "a.zip", HONEST | {TWEETS: " " * (17 << 20), "media": media})
    with pytest.raises(UnreadableSource, match=r"tweets\.js: claims 17,825,792 bytes"):
        import_all(path)


def test_a_bomb_by_size_is_refused(tmp_path: Path):
    path = write_zip(tmp_path / "a.zip", HONEST)
    patched(path, b"PK\x01\x02", 20, struct.pack("<II", 2**31, 2**32 - 2))
    with pytest.raises(UnreadableSource, match="its posts claim 8,589,934,588 bytes in 4"):
        import_all(path)
    content = path.read_bytes()
    with path.open("wb") as stream:
        stream.seek(64 << 20)  # large enough for what it claims; sparse, so it takes no space
        stream.write(content)
    with pytest.raises(UnreadableSource, match="claims 4,294,967,294 bytes"):
        import_all(path)


def test_many_parts_that_claim_too_much_together_are_refused(tmp_path: Path):
    path = write_zip(tmp_path / "a.zip", archive_files(*[[] for _ in range(6)]))
    patched(path, b"PK\x01\x02", 24, struct.pack("<I", 2**32 - 2))
    with pytest.raises(UnreadableSource, match="its posts claim"):
        import_all(path)


def test_a_member_that_is_larger_than_it_says_is_cut_off_and_refused(tmp_path: Path):
    path = write_zip(tmp_path / "a.zip", {TWEETS: script("tweets", [tweet(1, "x" * 500)])})
    patched(path, b"PK\x01\x02", 24, struct.pack("<I", 60))
    with pytest.raises(UnreadableSource, match=r"data/tweets\.js"):
        sum(map(len, open_file_source(path, Handle("alice")).batches(None)))


def test_blanks_that_never_end_are_read_in_little_memory(tmp_path: Path):
    blanks = "window.YTD.tweets.part0 = [" + " " * (3 * CHUNK) + "]" + "\n" * CHUNK + ";"
    assert import_all(write_folder(tmp_path / "a", HONEST | {TWEETS: blanks})) == 0


def test_an_encrypted_zip_is_named(tmp_path: Path):
    path = patched(write_zip(tmp_path / "a.zip", HONEST), b"PK\x01\x02", 8, b"\x01\x00")
    with pytest.raises(UnreadableSource, match="encrypted"):
        import_all(path)


def test_an_unknown_compression_is_named(tmp_path: Path):
    path = patched(write_zip(tmp_path / "a.zip", HONEST), b"PK\x01\x02", 10, b"\x63\x00")
    with pytest.raises(UnreadableSource, match=r"data/manifest\.js: cannot be read"):
        import_all(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_zip_is_named(tmp_path: Path, share: float):
    path = write_zip(tmp_path / "a.zip", HONEST)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(UnreadableSource, match=r"a\.zip: cannot be read"):
        import_all(path)


def test_a_checksum_that_does_not_match_is_seen(tmp_path: Path):
    path = patched(write_zip(tmp_path / "a.zip", HONEST), b"PK\x01\x02", 16, b"\0\0\0\0")
    with pytest.raises(UnreadableSource, match="CRC"):
        import_all(path)


def test_a_zip_without_posts_is_named(tmp_path: Path):
    for files in ({}, {"holiday.jpg": "x"}, {"data/deleted-tweets.js": "[]"}):
        with pytest.raises(UnreadableSource, match="no posts of an X archive"):
            import_all(write_zip(tmp_path / "a.zip", files))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not begin as"),
        ("alert(1)", "does not begin as"),
        ("window.YTD.tweets.part0 = {}", r"character 26 \('\{' instead of '\['\)"),
        ("window.YTD.tweets.part0 = [", "character 27"),
        ("window.YTD.tweets.part0 = [1]", "character 27 .*an object"),
        ("window.YTD.tweets.part0 = [{]", "character 28"),
        ('window.YTD.tweets.part0 = [{"id": 1, "text": ""} {}]', "character 49 .*instead of ','"),
        ('window.YTD.tweets.part0 = [{"a": "', "character 33"),
        ('window.YTD.tweets.part0 = [{"a": ' + "[" * 100_000, "nested too deeply"),
        ('window.YTD.tweets.part0 = [{"a": ' + "1" * 5_000 + "}]", "huge number"),
        ("window.YTD.tweets.part0 = [] []", "something after the end"),
    ],
)
def test_invalid_json_is_named_with_its_place(tmp_path: Path, text: str, says: str):
    path = write_zip(tmp_path / "a.zip", HONEST | {"data/tweets-part1.js": text})
    with pytest.raises(UnreadableSource, match=rf"data/tweets-part1\.js: .*({says})"):
        import_all(path)


def test_the_place_counts_from_the_start_of_the_file(tmp_path: Path):
    good = script("tweets", [tweet(n, "x" * 1_000) for n in range(CHUNK // 500)])
    path = write_folder(tmp_path / "a", HONEST | {TWEETS: good[:-1] + ", ?]"})
    with pytest.raises(UnreadableSource, match=f"character {len(good) + 1} "):
        import_all(path)


def test_an_element_without_end_is_given_up(tmp_path: Path):
    text = 'window.YTD.tweets.part0 = [{"a": "' + "x" * (MAX_ELEMENT + 3 * CHUNK)
    path = write_folder(tmp_path / "a", HONEST | {TWEETS: text})
    with pytest.raises(UnreadableSource, match="Unterminated string"):
        import_all(path)


def test_an_element_larger_than_any_post_is_refused(tmp_path: Path):
    path = write_folder(tmp_path / "a", archive_files([tweet(1, "x" * MAX_ELEMENT)]))
    with pytest.raises(UnreadableSource, match="characters in one post"):
        import_all(path)


def test_notes_that_would_fill_the_memory_are_refused(tmp_path: Path):
    files = HONEST | {"data/note-tweet.js": script("note_tweet", [])}
    path = write_folder(tmp_path / "a", files)
    with (path / "data/note-tweet.js").open("r+b") as stream:
        stream.truncate(MAX_LONG_POSTS + 1)  # sparse: it takes no space
    with pytest.raises(UnreadableSource, match="its posts claim 536,870,9"):
        import_all(path)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_named(tmp_path: Path, encoding: str):
    folder = write_folder(tmp_path / "a", HONEST)
    text = script("tweets", []).replace("[]", '[{"tweet": {"id": 1, "text": "Söhne"}}]')
    (folder / TWEETS).write_bytes(text.encode(encoding))
    with pytest.raises(UnreadableSource, match="is not UTF-8"):
        import_all(folder)


def test_a_byte_order_mark_is_forgiven(tmp_path: Path):
    folder = write_folder(tmp_path / "a", {k: "\ufeff" + text for k, text in HONEST.items()})
    assert import_all(folder) == 2


def test_a_huge_file_about_the_account_is_refused(tmp_path: Path):
    files = HONEST | {"data/manifest.js": " " * (MAX_SMALL + 1)}
    with pytest.raises(UnreadableSource, match="too many to describe an account"):
        import_all(write_folder(tmp_path / "a", files))


@pytest.fixture(scope="module")
def honest_zip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_zip(tmp_path_factory.mktemp("zip") / "a.zip", HONEST).read_bytes()


@fixture_shared_by_examples
@given(changes=st.lists(st.tuples(st.integers(0, 2_000), st.binary(max_size=6)), max_size=4))
@example(changes=[(0, b"")])
def test_only_our_own_errors_come_out_of_a_damaged_zip(
    tmp_path: Path, honest_zip: bytes, changes: list[tuple[int, bytes]]
):
    content = bytearray(honest_zip)
    for at, replacement in changes:
        content[at : at + len(replacement)] = replacement
    path = tmp_path / "fuzz.zip"
    path.write_bytes(content)
    try:
        file_digest(path)
        assert import_all(path) >= 0
    except HuggingtweetsError as error:
        assert "\n" not in str(error)  # noqa: PT017 - that there is none is right too


@fixture_shared_by_examples
@given(body=st.binary(max_size=80) | st.text('{}[]":,tweetid1 \\u\ud800\n', max_size=60))
def test_only_our_own_errors_come_out_of_any_part(tmp_path: Path, body: bytes | str):
    content = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    folder = write_folder(tmp_path / "a", HONEST)
    (folder / TWEETS).write_bytes(b"window.YTD.tweets.part0 = [" + content)
    (folder / "data/account.js").write_bytes(content)
    try:
        assert import_all(folder) >= 0
    except HuggingtweetsError as error:
        assert "\n" not in str(error)  # noqa: PT017 - that there is none is right too


def test_a_zip_in_a_zip_is_not_opened(tmp_path: Path):
    inner = write_zip(tmp_path / "inner.zip", HONEST)
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as outer:
        outer.write(inner, "data/tweets.zip")
    with pytest.raises(UnreadableSource, match="no posts of an X archive"):
        import_all(tmp_path / "outer.zip")
