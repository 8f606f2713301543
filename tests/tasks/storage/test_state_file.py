"""State files come back as they were; a damaged one is named, and leaves the others readable."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tasks.core.errors import DamagedState
from tasks.core.names import Handle
from tasks.storage import Storage
from tasks.storage.state_file import StateFiles

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Note:
    text: str
    at: datetime = NOW
    handle: Handle | None = None


NOTES = StateFiles("notes", Note, remedy="delete it, and write another")
DAMAGED = {
    b"": "not JSON: Expecting value",
    b'{"text": "a': "not JSON: Unterminated string",
    b"\xff{}": "not UTF-8: invalid start byte at byte 0",
    b"null": "Input should be",
    b"[]": "Input should be",
    b"{}": "text: Field required",
    b'{"text": 7}': "text: Input should be a valid string",
    b'{"text": "", "at": "soon"}': "at: Input should be a valid datetime",
    b"[" * 100_000: "not JSON: maximum recursion depth",
    b'{"text": "", "handle": {"name": "../x"}}': "'../x' is not a handle",
}


def test_a_file_is_written_replaced_listed_and_deleted(storage: Storage) -> None:
    assert NOTES.load(storage, "alice") is None
    for text in ("first", "ü \ud800"):
        NOTES.save(storage, "alice", Note(text))
        assert NOTES.load(storage, "alice") == Note(text)
    NOTES.save(storage, "bob.example.com", Note("b"))
    NOTES.save(storage, "alice/x_api", Note("below"))
    assert NOTES.names(storage) == ["alice", "bob.example.com"]
    assert NOTES.names(storage, "alice") == ["alice/x_api"]
    assert NOTES.exists(storage, "alice/x_api")
    for name in ("alice/x_api", "alice", "alice"):
        NOTES.delete(storage, name)
    assert NOTES.names(storage) == ["bob.example.com"]


@pytest.mark.parametrize(("content", "reason"), DAMAGED.items(), ids=range(len(DAMAGED)))
def test_a_damaged_file_names_whose_it_is_where_and_what_to_do(
    storage: Storage, content: bytes, reason: str
) -> None:
    storage.write("notes/alice/x_api.json", content)
    with pytest.raises(DamagedState) as caught:
        NOTES.load(storage, "alice/x_api")
    path = storage.local("notes/alice/x_api.json")
    assert str(caught.value).startswith(f"@alice: {path} is damaged ({reason}")
    assert str(caught.value).endswith("): delete it, and write another")
    assert "\n" not in str(caught.value)


def test_one_damaged_file_leaves_the_others_readable(storage: Storage) -> None:
    NOTES.save(storage, "alice", Note("a"))
    storage.write("notes/bob.json", b"{")
    storage.write("notes/carol.txt", b"not a state file")
    found = NOTES.load_all(storage)
    assert found.values == {"alice": Note("a")}
    assert list(found.damaged) == ["bob"]
    assert str(storage.local("notes/bob.json")) in str(found.damaged["bob"])


def test_a_damaged_object_is_named_by_its_url(bucket: Storage) -> None:
    bucket.write("notes/alice.json", b"{")
    with pytest.raises(DamagedState, match=rf"^@alice: s3://{bucket.path}/notes/alice\.json is"):
        NOTES.load(bucket, "alice")


def test_no_empty_folder_stays(storage: Storage, bucket: Storage) -> None:
    for each in (storage, bucket):
        NOTES.save(each, "alice/one", Note("1"))
        NOTES.save(each, "alice/two", Note("2"))
        NOTES.delete(each, "alice/one")
        assert NOTES.names(each, "alice") == ["alice/two"]
        NOTES.delete(each, "alice/two")
        NOTES.delete(each, "alice/two")
        assert each.folders("notes") == []
