"""No file costs more time or memory than its size allows, whatever is in it."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sources.table.columns import KNOWN
from tests.bounded import Ending, Limits, read_bounded
from tests.strategies import fixture_shared_by_examples
from tests.tasks.sources.readers import read_bluesky_element, read_posts, read_x_response
from tests.tasks.sources.x_archive.archives import archive_files, script, tweet, write_folder
from tests.tasks.sources.x_archive.archives import write_zip as zipped

HONEST = archive_files([tweet(1, "one")])
TWEETS = "data/tweets.js"
MEGABYTE = 1_000_000


def refusal(path: Path) -> str:
    ending = read_bounded(read_posts, path)
    assert ending.refusal is not None, ending
    return ending.refusal


def number(path: Path) -> int:
    ending = read_bounded(read_posts, path)
    assert ending.refusal is None, ending
    return int(ending.result)


def parquet(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def repeated(value: Any, times: int) -> pa.Array:
    """One value so many times, which a Parquet file holds once."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int32()), pa.array([value]))


def test_a_long_string_that_many_rows_repeat(tmp_path: Path):
    texts = repeated("x" * (16 << 20), 1_000)
    path = parquet(tmp_path / "a.parquet", {"text": texts}, compression="zstd")
    assert path.stat().st_size < 10_000
    assert "a cell of the column 'text' has 16,777,216 bytes" in refusal(path)


def test_a_string_just_short_enough_that_many_rows_repeat(tmp_path: Path):
    path = parquet(tmp_path / "a.parquet", {"text": repeated("x" * MEGABYTE, 100_000)})
    assert "expands to over" in refusal(path)


def test_rows_of_nothing_without_number(tmp_path: Path):
    path = parquet(tmp_path / "a.parquet", {"text": pa.nulls(20_000_000, pa.string())})
    assert "expands to over" in refusal(path)


def test_a_page_that_expands_without_measure(tmp_path: Path):
    texts = ["x" * MEGABYTE] * 400
    options = {"use_dictionary": False, "compression": "zstd", "data_page_size": 1 << 30}
    path = parquet(tmp_path / "a.parquet", {"text": texts}, **options)
    assert path.stat().st_size < 100_000
    assert "expands to over" in refusal(path)


def test_strings_that_repeat_the_beginning_of_the_one_before(tmp_path: Path):
    options = {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}}
    path = parquet(tmp_path / "a.parquet", {"text": ["x" * MEGABYTE] * 1_000}, **options)
    assert "has an encoding that is not read here" in refusal(path)


def test_columns_that_are_not_needed_are_not_read(tmp_path: Path):
    long = pa.array([{"text": "x" * MEGABYTE}]).take(pa.array([0] * 400))
    columns = {"text": ["hi"] * 400, "retweeted_status": long, "other": long}
    path = parquet(tmp_path / "a.parquet", columns, compression="zstd")
    assert path.stat().st_size < 500_000
    assert number(path) == 400


def test_a_parquet_file_of_many_columns(tmp_path: Path):
    columns = {f"text{n}" if n else "text": ["x"] for n in range(5_000)}
    assert number(parquet(tmp_path / "a.parquet", columns)) == 1


def test_other_keys_on_every_line(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        for line in range(25):
            keys = {f"{line}_{key}": 1 for key in range(20_000)}
            stream.write(json.dumps({"text": "a", **keys}) + "\n")
    ending = read_bounded(read_posts, path, Limits(bytes=48 << 20, bytes_per_byte=0))
    assert ending.result == 25


@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ".csv"])
def test_long_lines_in_number(tmp_path: Path, suffix: str):
    path, length = tmp_path / f"a{suffix}", 1_000_000 if suffix != ".csv" else 130_000
    total = 50_000_000
    row = {".txt": "é" * (length // 2), ".csv": "x" * length}.get(
        suffix, json.dumps({"text": "x" * length})
    )
    with path.open("w", encoding="utf-8") as stream:
        stream.write("text\n" if suffix == ".csv" else "")
        for _ in range(total // length):
            stream.write(row + "\n")
    ending = read_bounded(read_posts, path, Limits(bytes=96 << 20, bytes_per_byte=0))
    assert ending.result == total // length


def test_a_csv_of_many_columns(tmp_path: Path):
    names = ",".join(["text", *(f"n{column}" for column in range(30_000))])
    path = tmp_path / "a.csv"
    path.write_text(names + "\n" + ("x" + "," * 30_000 + "\n") * 30, encoding="utf-8")
    assert number(path) == 30


def test_values_that_are_nested_as_deeply_as_can_be(tmp_path: Path):
    for name, depth in (("a.jsonl", 400), ("b.jsonl", 900), ("c.jsonl", 100_000)):
        line = '{"text": "x", "retweeted_status": ' + "[" * depth + "]" * depth + "}"
        (tmp_path / name).write_text(line, encoding="utf-8")
        read_bounded(read_posts, tmp_path / name)
        element = '{"id": 1, ' + line[1:]
        files = HONEST | {TWEETS: f"window.YTD.tweets.part0 = [{element}]"}
        read_bounded(read_posts, zipped(tmp_path / f"{name}.zip", files))


def test_an_archive_of_many_files(tmp_path: Path):
    files = {f"data/tweets-part{part}.js": script("tweets", []) for part in range(1, 4_000)}
    assert "4,001 files with posts" in refusal(zipped(tmp_path / "a.zip", HONEST | files))


def test_a_zip_whose_directory_is_long(tmp_path: Path):
    months = {f"data/js/tweets/{2000 + n // 12}_{n % 12 + 1:02}.js": n for n in range(240)}
    files = {
        name: f"Grailbird.data.x = [{json.dumps(tweet(n, 'x'))}]" for name, n in months.items()
    }
    media = {f"data/tweets_media/{n}.jpg": "" for n in range(20_000)}
    path = zipped(tmp_path / "a.zip", files | media)
    ending = read_bounded(read_posts, path, Limits(bytes_per_byte=32))
    assert ending.result == 240


def test_files_that_share_their_bytes(tmp_path: Path):
    """Each of the files is small for its compressed bytes, and all of them are the same bytes."""
    blanks = "window.YTD.tweets.part0 = [" + " " * (15 << 20) + "]"
    path = zipped(tmp_path / "a.zip", HONEST | {TWEETS: blanks})
    with zipfile.ZipFile(path, "a") as archive:
        info = archive.getinfo(TWEETS)
        for part in range(1, 900):
            same = zipfile.ZipInfo(f"data/tweets-part{part}.js")
            same.header_offset, same.CRC, same.compress_type = info.header_offset, info.CRC, 8
            same.compress_size, same.file_size = info.compress_size, info.file_size
            archive.filelist.append(same)
            archive.NameToInfo[same.filename] = same
        archive.comment = b"so that the directory is written again"
    assert "its posts claim" in refusal(path)


def test_a_folder_that_links_to_itself(tmp_path: Path):
    folder = write_folder(tmp_path / "a", HONEST)
    for link in range(60):
        (folder / f"link{link}").symlink_to(".")
    assert number(folder) == 1


LONG = "It is a long story that does not end so soon as one thinks "
INSTANT = {"created_at": "Wed Oct 10 20:19:24 +0000 2018"}


def note(text: str) -> dict[str, Any]:
    created_at = "2018-10-10T20:19:24.000Z"
    return {"noteTweet": {"noteTweetId": "9", "core": {"text": text}, "createdAt": created_at}}


def test_posts_and_notes_of_one_second(tmp_path: Path):
    posts = [tweet(n, f"{LONG}{n} {LONG * 3}… https://t.co/x", **INSTANT) for n in range(3_000)]
    notes = [note(f"{LONG}{n} {LONG * 9}") for n in range(3_000)]
    files = archive_files(posts, note_tweet=script("note_tweet", notes))
    assert number(zipped(tmp_path / "a.zip", files)) == 3_000


@pytest.mark.parametrize(
    "text", ["x" * 100 + " " * 20_000 + "x", "… " * 20_000 + "x", "https://t.co/x " * 9_000 + "."]
)
def test_a_post_that_ends_nowhere(tmp_path: Path, text: str):
    files = archive_files(
        [tweet(1, text, **INSTANT)], note_tweet=script("note_tweet", [note(LONG)])
    )
    assert number(zipped(tmp_path / "a.zip", files)) == 1


def test_an_entity_with_a_huge_number(tmp_path: Path):
    entity = "&#" + "1" * 5_000 + ";"
    notes = script("note_tweet", [note(entity)])
    files = archive_files([tweet(1, entity, **INSTANT)], note_tweet=notes)
    assert number(zipped(tmp_path / "a.zip", files)) == 1


SIGNS = ["@", "<|", " ", "9", ".", "-", "T", "é", "&amp;", "@a ", "https://t.co/a ", "2017-01-03 "]
FIELDS = [*(names[0] for names in KNOWN.values()), "full_text", "id_str"]


@pytest.mark.parametrize("sign", SIGNS)
def test_any_field_that_is_long(tmp_path: Path, sign: str):
    value = sign * (20_000 // len(sign))
    honest = {"text": "x", "id": "1", "created_at": "2018-10-10", "lang": "en", "isretweet": 1}
    rows = [{"text": "x", field: value} for field in FIELDS] + [honest] * len(FIELDS)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "a.jsonl").write_text(lines, encoding="utf-8")
    assert number(tmp_path / "a.jsonl") == len(rows)
    posts = [tweet(n, value, created_at=value, lang=value) for n in range(9)]
    files = archive_files(posts, note_tweet=script("note_tweet", [note(value)]))
    assert number(zipped(tmp_path / "a.zip", files)) == 9


DEEP = '{"record":' * 900 + "{}" + "}" * 900
PROBLEM = '{"resource_id": "1", "type": "x", "title": "Not Found Error", "detail": "x"}'
POST = '{"id": "1", "text": "x", "edit_history_tweet_ids": ["1", "2"]}'
RESPONSES = [
    f'{{"errors": [{",".join([PROBLEM] * 50_000)}]}}',
    f'{{"data": [{",".join([POST] * 50_000)}], "meta": {{}}}}',
    f'{{"data": {DEEP}, "errors": {DEEP}, "meta": {DEEP}}}',
    '{"data": [' + "[]," * 900_000 + '[]], "meta": {}}',
    f'{{"data": {{"id": "{"9" * 900_000}", "name": "{"x" * 900_000}"}}}}',
    f'{{"errors": [{{"detail": "{"not " * 900_000}"}}], "title": "{" " * 900_000}"}}',
    f'{{"data": [{{"id": "1", "text": "{"x" * 900_000}", "created_at": "{"1" * 900_000}"}}]}}',
    f'{{"meta": {{"next_token": "{"x" * 900_000}"}}, "data": []}}',
]


@pytest.mark.parametrize("which", range(len(RESPONSES)))
def test_any_response_of_the_x_api(tmp_path: Path, which: int):
    (tmp_path / "body").write_text(RESPONSES[which], encoding="utf-8")
    read_bounded(read_x_response, tmp_path / "body", Limits(bytes_per_byte=40))


@pytest.mark.parametrize("embed", [DEEP, '"x"', "[" + "{}," * 900_000 + "{}]"])
def test_any_element_of_a_bluesky_feed(tmp_path: Path, embed: str):
    stamp = '"2025-01-01T00:00:00Z"'
    record = f'{{"text": "{"x" * 500_000}", "langs": {embed}, "embed": {embed}}}'
    post = f'{{"author": {{"did": "did:plc:alice"}}, "uri": "at://{"x" * 500_000}"'
    element = f'{{"post": {post}, "indexedAt": {stamp}, "record": {record}}}}}'
    (tmp_path / "body").write_text(element, encoding="utf-8")
    read_bounded(read_bluesky_element, tmp_path / "body", Limits(bytes_per_byte=40))


@pytest.mark.parametrize(
    "sign", ["b'\\\\x", "<U+", "<e2>", "&amp;", "\\\\n", "é", "Ã©", "\\\\u", "'"]
)
def test_a_text_full_of_escapes(tmp_path: Path, sign: str):
    text = "b'" + sign * (300_000 // len(sign))
    lines = json.dumps({"text": text}, ensure_ascii=False) + "\n"
    (tmp_path / "a.jsonl").write_text(lines * 3, encoding="utf-8")
    assert number(tmp_path / "a.jsonl") == 3


def test_a_tar_of_many_tables(tmp_path: Path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for part in range(2_000):
            content = b"text\nhi\n"
            info = tarfile.TarInfo(f"{part}.csv")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    ending = read_bounded(read_posts, tmp_path / "a.tar.gz", Limits(seconds=20))
    assert ending.result == 2_000


def test_a_tar_whose_header_claims_a_long_name(tmp_path: Path):
    info = tarfile.TarInfo("a.csv")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 32
    (tmp_path / "a.tar").write_bytes(info.tobuf() + b"\0" * 10_000)
    assert "cannot be read" in refusal(tmp_path / "a.tar")


@pytest.mark.parametrize("packing", [gzip, bz2, lzma])
def test_a_compressed_file_that_expands_without_end(tmp_path: Path, packing: Any):
    suffix = {gzip: ".gz", bz2: ".bz2", lzma: ".xz"}[packing]
    for name, content in (("a.txt", b"x\n" * 100_000), ("a.tar", b"\0" * 200_000)):
        # So many streams, one after another, are one file in all of these formats.
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(packing.compress(content) * 200)
        assert refusal(path)
        if name == "a.txt":
            assert "expands to over" in refusal(path)


LETTERS = list('[]{}",:;x0 \n\r\t\\é日…')
WORDS = ["text", '"text"', '{"text":', '"id":', '{"a":1},', "1e9", "\\u", "\\ud800", '""']
LINES = ["@a ", "https://t.co/a ", "&#", '{"text":"x"}\n', "x,y\n"]
FRAGMENTS = st.sampled_from(LETTERS + WORDS + LINES)
REPEATED = st.lists(st.tuples(FRAGMENTS, st.integers(1, 60_000)), min_size=1, max_size=5).map(
    lambda parts: "".join(fragment * times for fragment, times in parts)
)


@fixture_shared_by_examples
@given(body=REPEATED, suffix=st.sampled_from(["", ".csv", ".json", ".js", ".txt"]))
def test_any_text_as_a_table(tmp_path: Path, body: str, suffix: str):
    path = tmp_path / f"a{suffix}"
    path.write_text(body, encoding="utf-8")
    assert isinstance(read_bounded(read_posts, path, Limits(bytes_per_byte=16)), Ending)


@fixture_shared_by_examples
@given(body=REPEATED, name=st.sampled_from([TWEETS, "data/note-tweet.js", "data/account.js"]))
def test_any_text_as_a_part_of_an_archive(tmp_path: Path, body: str, name: str):
    content = f'window.YTD.x.part0 = [{{"id": 1, "text": "{body}'
    folder = write_folder(tmp_path / "a", HONEST | {name: content})
    assert isinstance(read_bounded(read_posts, folder, Limits(bytes_per_byte=16)), Ending)


@fixture_shared_by_examples
@given(changes=st.lists(st.tuples(st.integers(0, 3_000), st.binary(max_size=4)), max_size=3))
def test_any_damage_to_a_parquet_file(tmp_path: Path, changes: list[tuple[int, bytes]]):
    columns = {"text": ["x" * n for n in range(99)], "retweeted_status": [{"a": ["b"]}] * 99}
    content = bytearray(parquet(tmp_path / "a.parquet", columns).read_bytes())
    for at, replacement in changes:
        content[at : at + len(replacement)] = replacement
    (tmp_path / "a.parquet").write_bytes(content)
    assert isinstance(read_bounded(read_posts, tmp_path / "a.parquet"), Ending)
