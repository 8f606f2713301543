from __future__ import annotations

from datetime import UTC, datetime

from tasks.core.names import Handle
from tasks.core.records import Kind, Post
from tasks.ingest.imported_files import is_imported, save_import
from tasks.lake.posts import append
from tasks.storage import Storage

ALICE, NOW = Handle("alice"), datetime(2026, 1, 1, tzinfo=UTC)


def test_a_file_is_imported_until_it_changes_or_posts_are_lost(storage: Storage) -> None:
    assert not is_imported(storage, ALICE, "a1")
    posts = [Post(str(n), ALICE, NOW, f"post {n}", "en", Kind.POST, "table", "{}") for n in (1, 2)]
    append(storage, ALICE, [posts], scraped_at=NOW)
    save_import(storage, ALICE, "a1", 2)
    assert is_imported(storage, ALICE, "a1")
    assert not is_imported(storage, ALICE, "b2")
    assert not is_imported(storage, Handle("bob"), "a1")
    storage.delete("posts/alice")
    assert not is_imported(storage, ALICE, "a1")


def test_a_damaged_file_counts_as_no_import(storage: Storage) -> None:
    storage.write("imports/alice.json", b"{")
    assert not is_imported(storage, ALICE, "a1")
    save_import(storage, ALICE, "a1", 0)
    assert is_imported(storage, ALICE, "a1")
