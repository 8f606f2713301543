"""What a file is, its content decides, and nothing is taken for text because it is nothing else."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import tarfile
import zipfile
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import BadInput, HuggingtweetsError, UnreadableSource
from tasks.core.names import Handle
from tasks.core.records import Post
from tasks.sources.file_sources import file_digest, open_file_source
from tasks.sources.recognised import Reading
from tests.strategies import cells, fixture_shared_by_examples
from tests.tasks.sources.x_archive.archives import archive_files, script, tweet, write_zip

ALICE = Handle("alice")
CSV = "id,text\n1,hello\n2,世界 é\n"
TEXTS = ["hello", "世界 é"]
TWEETS = [tweet(1, "hello"), tweet(2, "世界 é")]


COMPRESSIONS = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda content: pa.compress(content, "zstd", asbytes=True),
}


def posts_in(path: Path, **reading: object) -> list[Post]:
    source = open_file_source(path, ALICE, Reading(**reading))
    return list(chain.from_iterable(source.batches(None)))


def texts_in(path: Path, **reading: object) -> list[str]:
    return [post.text for post in posts_in(path, **reading)]


def written(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", ["tweets.js", "tweets (1).js", "mine.json", "posts.txt", "posts"])
@pytest.mark.parametrize(
    "content",
    [
        script("tweets", TWEETS),
        script("tweet", TWEETS),
        "Grailbird.data.tweets_2014_07 = \n " + json.dumps([each["tweet"] for each in TWEETS]),
        json.dumps(TWEETS),
        "module.exports = " + json.dumps(TWEETS, indent=2) + ";\n",
        "export default " + json.dumps(TWEETS),
        "const tweets = " + json.dumps(TWEETS),
    ],
)
def test_a_file_of_an_archive_is_known_alone(tmp_path: Path, name: str, content: str):
    path = written(tmp_path / name, content)
    source = open_file_source(path, ALICE)
    assert source.name == "x_archive"
    assert texts_in(path) == TEXTS
    with pytest.raises(BadInput, match="give --handle"):
        open_file_source(path, None)


@pytest.mark.parametrize("name", ["a.js", "a.csv", "a.txt", "a.parquet"])
@pytest.mark.parametrize("part", ["account", "like", "deleted_tweets", "note_tweet", "x_y"])
def test_another_file_of_an_archive_is_named(tmp_path: Path, part: str, name: str):
    path = written(tmp_path / name, script(part, [{"deletedTweet": {"text": "hi"}}]))
    with pytest.raises(UnreadableSource, match=f"is the file '{part}' of an X archive"):
        open_file_source(path, ALICE)


def test_deleted_posts_are_not_read_out_of_a_folder_either(tmp_path: Path):
    written(tmp_path / "deleted.csv", script("deleted_tweets", TWEETS))
    with pytest.raises(UnreadableSource, match="no table of posts"):
        open_file_source(tmp_path, ALICE)
    written(tmp_path / "a.csv", CSV)
    assert texts_in(tmp_path) == TEXTS


@pytest.mark.parametrize(
    "line",
    [
        "12/26/20, 10:53 - Bob: hello",
        "[26.12.2020, 10:53:00] Bob: hello",
        "2026-01-01 12:00:00 INFO started",
        "2026-01-01T12:00:00Z started",
    ],
)
def test_a_chat_or_a_log_is_no_list_of_posts(tmp_path: Path, line: str):
    path = written(tmp_path / "a.txt", f"{line}\nand on\n{line} again\n")
    with pytest.raises(UnreadableSource, match=r"a chat or a log.*--format text"):
        open_file_source(path, ALICE)
    assert len(texts_in(path, text=True)) == 3
    assert len(texts_in(written(path, "24/7 10 things\n2020-01-01 a date\n"))) == 2


def test_a_file_that_is_in_a_zip_twice_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", CSV)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.csv", CSV)
    with pytest.raises(UnreadableSource, match=r"a\.zip/a\.csv: is there 2 times"):
        texts_in(tmp_path / "a.zip")


def test_an_archive_in_an_archive_is_pointed_at(tmp_path: Path):
    written(tmp_path / "x/twitter.zip", b"PK")
    with pytest.raises(UnreadableSource, match=r"if the posts are in x/twitter\.zip, unpack it"):
        open_file_source(tmp_path, ALICE)


def test_what_is_no_file_is_called_so(tmp_path: Path):
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(UnreadableSource, match="is a pipe or a device"):
        open_file_source(tmp_path / "a.csv", ALICE)
    with pytest.raises(UnreadableSource, match="File name too long"):
        open_file_source(tmp_path / ("a" * 300), ALICE)


def test_what_only_tables_have_is_refused_with_an_archive(tmp_path: Path):
    path = written(tmp_path / "a.js", script("tweets", TWEETS))
    for reading in ({"columns": {"text": "x"}}, {"day_first": True}):
        with pytest.raises(BadInput, match="has no columns to choose"):
            open_file_source(path, ALICE, Reading(**reading))


ROWS = [{"id": str(n), "text": text} for n, text in enumerate(TEXTS, 1)]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a", "a.txt", "a.ndjson"])
@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        "\n\n  " + json.dumps(ROWS, ensure_ascii=False) + "\n",
        "".join(json.dumps(row) + "\n" for row in ROWS),
        "\n".join(json.dumps(row, indent=1) for row in ROWS),
        json.dumps({"name": "alice", "tweets": ROWS}, indent=2),
        json.dumps({"posts": ROWS, "count": 2}),
        "var posts = " + json.dumps(ROWS),
        "var posts = " + json.dumps([*ROWS]) + ";\n" + " " * 100_000,
        "".join(json.dumps({"tweet": row}) + "\n" for row in ROWS),
    ],
)
def test_json_of_any_shape_is_its_posts(tmp_path: Path, name: str, content: str):
    assert texts_in(written(tmp_path / name, content)) == TEXTS


def delimited(delimiter: str) -> str:
    return CSV.replace(",", delimiter)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a", "a.log"])
def test_a_table_may_be_separated_in_four_ways(tmp_path: Path, name: str, delimiter: str):
    assert texts_in(written(tmp_path / name, delimited(delimiter))) == TEXTS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("content", [CSV, delimited("\t"), json.dumps(ROWS, ensure_ascii=False)])
def test_a_mark_shows_the_encoding(tmp_path: Path, content: str, encoding: str):
    mark = "\ufeff" if encoding.endswith("e") else ""
    assert texts_in(written(tmp_path / "a.csv", (mark + content).encode(encoding))) == TEXTS


def test_windows_1252_is_read_with_a_notice(tmp_path: Path):
    path = written(tmp_path / "a.csv", "id,text\n1,it’s a café – déjà vu\n".encode("cp1252"))
    source = open_file_source(path, ALICE)
    assert [p.text for batch in source.batches(None) for p in batch] == ["it’s a café – déjà vu"]
    assert "is not UTF-8, and is read as Windows-1252" in source.findings.notices[0]
    text = written(tmp_path / "a.txt", "one café\ntwo cafés".encode("cp1252"))
    assert texts_in(text) == ["one café", "two cafés"]


@pytest.mark.parametrize("encoding", ["cp1251", "gbk", "shift_jis", "euc_jp"])
def test_what_is_no_windows_1252_is_refused(tmp_path: Path, encoding: str):
    text = "Привет всем" if encoding == "cp1251" else "日本語の文章"
    path = written(tmp_path / "a.csv", f"id,text\n1,{text}\n".encode(encoding))
    with pytest.raises(UnreadableSource, match="line 2 is not UTF-8"):
        posts_in(path)


@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS)),
        ("tweets.js", script("tweets", TWEETS)),
        ("a.txt", "hello\n世界 é\n"),
    ],
)
def test_a_compressed_file_is_read_as_it_is(tmp_path: Path, name: str, content: str, suffix: str):
    path = written(tmp_path / f"{name}{suffix}", COMPRESSIONS[suffix](content.encode()))
    assert texts_in(path) == TEXTS
    assert file_digest(path)


@pytest.mark.parametrize("suffix", list(COMPRESSIONS)[1:])
def test_a_compressed_file_that_ends_early_is_refused(tmp_path: Path, suffix: str):
    compress = COMPRESSIONS[suffix]
    lines = "".join(f"{n},a text with the number {n * 7919}\n" for n in range(9_000)).encode()
    content = compress(b"id,text\n" + lines)
    path = written(tmp_path / f"a.csv{suffix}", content[: len(content) - 20])
    with pytest.raises(UnreadableSource, match="cannot be read"):
        posts_in(path)


def test_a_zip_a_tar_or_a_folder_of_tables_is_one_source(tmp_path: Path):
    files = {
        "README.md": "# Posts\n\nThese are posts.\n",
        "LICENSE.txt": "All rights reserved.\n",
        "posts/2020.csv": CSV,
        "posts/2021.jsonl": '{"id": "3", "text": "three"}\n',
        "posts/more.txt": "not read beside tables\n",
        "users.csv": "id,name\n1,alice\n",
        "__MACOSX/posts/._2020.csv": "\0\0",
        "photo.jpg": "...",
    }
    folder = tmp_path / "folder"
    for name, content in files.items():
        written(folder / name, content)
    written(folder / "posts/2022.csv.gz", gzip.compress(b"id,text\n4,four\n"))
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    for path in (folder, packed, *tars(tmp_path, folder)):
        source = open_file_source(path, ALICE)
        texts = [post.text for batch in source.batches(None) for post in batch]
        assert texts == [*TEXTS, "three", "four"]
        notices = "; ".join(source.findings.notices)
        assert "users.csv: not read, it is CSV without a column of texts" in notices
        assert "posts/more.txt: not read, it is text" in notices
        assert "LICENSE.txt: not read, it is text" in notices
        assert file_digest(path)


def tars(tmp_path: Path, folder: Path) -> list[Path]:
    made = []
    for suffix, mode in ((".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz"), (".bin", "w:xz")):
        made.append(tmp_path / f"a{suffix}")
        with tarfile.open(made[-1], mode) as archive:
            archive.add(folder, "./export")
    return made


def test_a_folder_of_texts_alone_is_posts(tmp_path: Path):
    written(tmp_path / "a/train.txt", "one\n")
    written(tmp_path / "a/README", "not a post\n")
    assert texts_in(tmp_path / "a") == ["one"]


def test_an_archive_in_a_tar_is_read(tmp_path: Path):
    for name, content in archive_files(TWEETS).items():
        written(tmp_path / "in" / name, content)
    for path in tars(tmp_path, tmp_path / "in"):
        source = open_file_source(path, None)
        assert source.name == "x_archive"
        assert [post.text for batch in source.batches(None) for post in batch] == TEXTS


def test_a_folder_of_parquet_is_read(tmp_path: Path):
    for number in (1, 2):
        (tmp_path / "a").mkdir(exist_ok=True)
        table = pa.table({"id": [str(number)], "text": [f"text {number}"]})
        pq.write_table(table, tmp_path / f"a/{number}.parquet")
    assert texts_in(tmp_path / "a") == ["text 1", "text 2"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a/1.parquet", "1.parquet")
    with pytest.raises(UnreadableSource, match="Parquet is read unpacked only"):
        texts_in(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("README.md", "# A project\n\nIt does this.\n", "is text, not posts"),
        ("README.txt", "A project\n\nIt does this.\n", "is text, not posts"),
        ("notes", "hello\nthere\n", "is text, not posts"),
        ("a.js", "function tweet() { return 1 }\n", "is a script, not posts"),
        ("a.html", "<!DOCTYPE html><html>tweets</html>", "is HTML or XML"),
        ("a.txt", "<?xml version='1.0'?><rss></rss>", "is HTML or XML"),
        ("a.json", '["hello", "there"]', "is a JSON list of strings or numbers"),
        ("a.txt", '["hello", "there"]', "is a JSON list of strings or numbers"),
        ("a.pdf", b"%PDF-1.7 ...", "is a PDF"),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, r"is an Excel or Word file"),
        ("a.db", b"SQLite format 3\0" + b"\0" * 99, "is an SQLite database"),
        ("a.pkl", b"\x80\x04\x95\0\0", "is a Python pickle"),
        ("a.jpg", b"\xff\xd8\xff\xe0\0", "is a picture"),
        ("a.mp3", b"ID3\0\0\0\0", "is a binary file"),
        ("a.txt", "", "is an empty file"),
    ],
)
def test_what_is_no_posts_is_refused_with_what_it_is(
    tmp_path: Path, name: str, content: str | bytes, what: str
):
    path = written(tmp_path / name, content)
    with pytest.raises(UnreadableSource, match=what) as caught:
        open_file_source(path, ALICE)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_excel_files_are_refused_by_name(tmp_path: Path):
    for member, what in (("xl/workbook.xml", "Excel"), ("word/document.xml", "Word")):
        path = write_zip(tmp_path / "posts.xlsx", {"[Content_Types].xml": "<x/>", member: "<x/>"})
        with pytest.raises(UnreadableSource, match=f"is an? {what} file .*save it as CSV"):
            open_file_source(path, ALICE)


def test_text_is_text_by_its_name_or_if_it_is_said(tmp_path: Path):
    texts = ["[sighs] hello", "{not json}", "<3 you all", "let me tell you, text", "5,6,7"]
    for text in texts:
        assert texts_in(written(tmp_path / "a.txt", text + "\nb\n")) == [text, "b"]
        assert texts_in(written(tmp_path / "README.md", text + "\nb\n"), text=True) == [text, "b"]
    assert texts_in(written(tmp_path / "a.csv", CSV), text=True) == CSV.splitlines()


@pytest.mark.parametrize(
    "prefix", ["", "twitter-2024/", "twitter-2024/twitter-2024/", "Downloads/x/twitter-2024/"]
)
@pytest.mark.parametrize("separator", ["/", "\\"])
def test_an_archive_is_found_wherever_it_was_packed(tmp_path: Path, prefix: str, separator: str):
    files = {f"{prefix}{name}": text for name, text in archive_files(TWEETS).items()}
    files |= {f"__MACOSX/{name}": "\0" for name in files}
    named = {name.replace("/", separator): text for name, text in files.items()}
    path = write_zip(tmp_path / "a.zip", named)
    source = open_file_source(path, None)
    assert (source.handle, source.profile().display_name) == (ALICE, "Alice & Söhne")
    assert texts_in(path) == TEXTS


@pytest.mark.parametrize("where", ["data/extra/manifest.js", "manifest.js"])
def test_the_manifest_may_be_a_folder_above_or_below(tmp_path: Path, where: str):
    files = archive_files(TWEETS)
    files[where] = files.pop("data/manifest.js")
    assert open_file_source(write_zip(tmp_path / "a.zip", files), None).handle == ALICE


@pytest.mark.parametrize("prefix", ["", "module.exports = ", "window.YTD.tweets.part0 ="])
def test_what_people_make_of_the_assignment_is_understood(tmp_path: Path, prefix: str):
    files = archive_files(TWEETS) | {"data/tweets.js": prefix + json.dumps(TWEETS)}
    assert texts_in(write_zip(tmp_path / "a.zip", files)) == TEXTS


def test_two_archives_at_once_are_refused(tmp_path: Path):
    files = {f"{n}/{name}": text for n in "ab" for name, text in archive_files(TWEETS).items()}
    with pytest.raises(UnreadableSource, match="holds more than one archive"):
        open_file_source(write_zip(tmp_path / "a.zip", files), None)


heads = st.sampled_from(
    [
        *("", "[", "{", '[{"text":', '{"text": "a"}\n', "id,text\n", "window.YTD.tweets.part0 = ["),
        *("module.exports = [", "sep=;\n", "\ufeff", "PAR1", "\xff\xfe", "b'", '{"tweets": ['),
    ]
)
bodies = st.binary(max_size=60) | st.text('"{}[],:;|\ttextid1\\u\n\x00é', max_size=60).map(
    lambda text: text.encode()
)
names = st.sampled_from(["a", "a.csv", "a.json", "a.js", "a.txt", "a.zip", "a.tar", "a.tgz"])
compressed_as = st.sampled_from([*COMPRESSIONS])


@fixture_shared_by_examples
@given(head=heads, body=bodies, name=names, suffix=compressed_as, cut=st.booleans())
def test_only_our_own_errors_come_out_of_any_file(
    tmp_path: Path, head: str, body: bytes, name: str, suffix: str, cut: bool
):
    content = COMPRESSIONS[suffix](head.encode("latin-1", "replace") + body)
    path = written(tmp_path / f"{name}{suffix}", content[:-3] if cut else content)
    try:
        assert posts_in(path)
        assert file_digest(path)
    except HuggingtweetsError as error:
        assert str(path) in str(error)  # noqa: PT017 - that there is none is right too
        assert "\n" not in str(error)  # noqa: PT017


@fixture_shared_by_examples
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=9)), max_size=4))
def test_only_our_own_errors_come_out_of_a_damaged_tar(
    tmp_path: Path, changes: list[tuple[int, bytes]]
):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(3):
            archive.add(written(tmp_path / f"{number}.csv", CSV), f"{number}.csv")
    content = bytearray(path.read_bytes())
    for at, replacement in changes:
        content[at : at + len(replacement)] = replacement
    path.write_bytes(content)
    try:
        assert posts_in(path)
    except HuggingtweetsError as error:
        assert "\n" not in str(error)  # noqa: PT017 - that there is none is right too


@fixture_shared_by_examples
@given(texts=st.lists(cells, min_size=1, max_size=9), suffix=compressed_as)
def test_any_text_survives_json_of_any_shape_and_compression(
    tmp_path: Path, texts: list[str], suffix: str
):
    rows = [{"id": str(n), "text": text} for n, text in enumerate(texts, 1)]
    plain = [*rows, *({"id": f"{n}0", "text": "plain — é\n&lt;"} for n in range(1, 99))]
    for content in (json.dumps(plain), json.dumps(plain, indent=1), json.dumps({"posts": plain})):
        path = written(tmp_path / f"a.json{suffix}", COMPRESSIONS[suffix](content.encode()))
        assert [(post.id, post.text) for post in posts_in(path)][: len(rows)] == [
            (row["id"], row["text"]) for row in rows
        ]
