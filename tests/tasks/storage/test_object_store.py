"""The storage on a real S3 server."""

from __future__ import annotations

import errno
import os
import signal
import threading

import pytest
from pyarrow import fs as pafs

from tasks.core.errors import NetworkTrouble, StorageUnusable, WrongStorage
from tasks.core.records import MANIFEST
from tasks.storage import Storage, open_storage
from tasks.storage.object_store import without_credentials
from tasks.storage.storage_errors import translate_errors
from tests.servers.s3 import S3, free_port


def test_files_are_written_read_listed_and_deleted(bucket: Storage) -> None:
    bucket.write_json("a/b.json", {"n": 1})
    bucket.write("a/c/d", b"")
    assert bucket.read_json("a/b.json") == {"n": 1}
    assert bucket.read_json("a/none.json") is None
    assert bucket.keys("a") == ["a/b.json"]
    assert bucket.folders("a") == ["a/c"]
    assert bucket.files("a") == {"a/b.json": 13, "a/c/d": 0}
    assert bucket.files("a/c/d") == {"a/c/d": 0}
    assert bucket.exists("a/b.json")
    assert not bucket.exists("a/b")
    bucket.delete("a/b.json")
    bucket.delete("a/b.json")
    assert bucket.keys("a") == []
    assert bucket.keys("nowhere") == []


def test_a_folder_is_replaced_and_nothing_of_the_old_one_stays(bucket: Storage) -> None:
    for names in (["one", "below/two"], ["three"]):
        with bucket.new_folder("releases/a") as folder:
            for name in names:
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(name)
            (folder / MANIFEST).write_text("{}")
        with bucket.folder("releases/a") as folder:
            found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
        assert found == {*names, MANIFEST}


def test_a_folder_that_was_not_filled_leaves_the_old_one(bucket: Storage) -> None:
    def fill(text: str) -> None:
        with bucket.new_folder("releases/a") as folder:
            (folder / MANIFEST).write_text(text)
            if text == "second":
                raise RuntimeError

    fill("first")
    with pytest.raises(RuntimeError):
        fill("second")
    assert bucket.read(f"releases/a/{MANIFEST}") == b"first"


def test_a_draft_becomes_an_object(bucket: Storage) -> None:
    with bucket.draft_file("posts") as draft:
        draft.write_bytes(b"rows")
        bucket.install_file(draft, "posts/part.parquet")
    assert bucket.read("posts/part.parquet") == b"rows"
    assert not draft.exists()


def test_a_missing_bucket_is_named(s3: S3, bucket: Storage) -> None:
    elsewhere = open_storage(s3.url(bucket="elsewhere"))
    with pytest.raises(StorageUnusable, match="the bucket does not exist: create it"):
        elsewhere.write("a", b"1")
    assert elsewhere.keys("a") == []
    assert elsewhere.files("a") == {}


def test_a_key_in_the_url_is_never_shown(s3: S3) -> None:
    url = s3.url().replace("s3://", "s3://operator:a%20word@")
    storage = open_storage(url)
    storage.write("a", b"1")
    assert storage.url == s3.url()
    assert without_credentials("/home/a@b/storage") == "/home/a@b/storage"
    with pytest.raises(StorageUnusable) as refused:
        open_storage("s4://operator:secret@bucket/x")
    assert "secret" not in str(refused.value)


def test_a_store_that_is_away_for_a_while_is_waited_for(s3: S3, bucket: Storage) -> None:
    os.kill(s3.process.pid, signal.SIGSTOP)
    threading.Timer(2, os.kill, [s3.process.pid, signal.SIGCONT]).start()
    bucket.write("after", b"1")
    assert bucket.read("after") == b"1"


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        ("AWS Error NETWORK_CONNECTION during HeadObject", NetworkTrouble, "does not answer"),
        ("AWS Error UNKNOWN (HTTP status 503) during", NetworkTrouble, "HTTP status 503"),
        ("AWS Error ACCESS_DENIED during PutObject", WrongStorage, "AWS_ACCESS_KEY_ID"),
        ("something else", OSError, "something else"),
    ],
)
def test_errors_of_a_store_are_translated(said: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as raised, translate_errors("s3://bots/lake"):
        raise OSError(f"When reading key 'x' in bucket 'bots': {said}")
    assert type(raised.value) is kind


def test_a_full_disk_here_is_not_taken_for_the_stores() -> None:
    for url, place in (("s3://bots/lake", "temporary folder /"), ("/bots", "storage /bots: no")):
        with pytest.raises(StorageUnusable, match=place) as raised, translate_errors(url):
            raise OSError(errno.ENOSPC, "No space left on device")
        assert type(raised.value) is StorageUnusable
        assert str(raised.value).endswith("no space is left: free some")


def test_nobody_listening_is_network_trouble() -> None:
    nobody = pafs.S3FileSystem(
        access_key="a",
        secret_key="b",
        region="us-east-1",
        endpoint_override=f"http://127.0.0.1:{free_port()}",
        retry_strategy=pafs.AwsDefaultS3RetryStrategy(1),
    )
    for ask in (Storage.exists, Storage.read, Storage.keys, Storage.files, Storage.delete):
        with pytest.raises(NetworkTrouble, match="s3://b: the object store does not answer"):
            ask(Storage("s3://b", nobody, "b"), "a")
