"""Appends, imports and compactions that are killed at random moments.

    python -m tests.tasks.lake.killed_lake append|import|compact FOLDER TIMES

After each kill the lake holds what it held before, or that and all that is new: nothing is lost,
twice there or half. Prints how many were killed before their end.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tasks.core.settings import settings
from tasks.ingest.imported_files import is_imported
from tasks.ingest.importing import import_posts
from tasks.lake.compaction import compact
from tasks.lake.data_files import data_file_keys
from tasks.lake.posts import dataset_digest, read
from tasks.scrape import scrape_file
from tasks.sources.file_sources import file_digest, open_file_source
from tasks.storage import Storage, storage_root
from tasks.storage.drafts import abandoned_drafts, delete_abandoned
from tests.killing import kill_at_random
from tests.sample_posts import write_table
from tests.tasks.ingest.scrapes_of import ALICE, post, scrape

NEW, IMPORTED = 300, 3_000
FILES, ROWS = 10, 2_000  # to be merged


def ids(storage: Storage) -> list[str]:
    """The stored ids, sorted; one that is stored twice is there twice."""
    return sorted(map(str, read(storage, ALICE)["id"].to_pylist()))


class Appends:
    """A night's posts, appended again and again; some nights merge the files of others."""

    def __init__(self, folder: Path) -> None:
        self.storage, self.night = storage_root(), 0
        del folder

    def work(self) -> None:
        numbers = range(NEW * self.night, NEW * (self.night + 1))
        scrape(self.storage, self.night, *(post(n, f"post {n}") for n in numbers))

    def check(self) -> None:
        before = sorted(map(str, range(NEW * self.night)))
        after = sorted(map(str, range(NEW * (self.night + 1))))
        assert ids(self.storage) in (before, after)
        self.work()  # what was killed is done again
        assert ids(self.storage) == after
        self.night += 1


class Imports:
    """A file, imported into an empty lake."""

    def __init__(self, folder: Path) -> None:
        self.storage = storage_root()
        self.table = write_table(folder / "alice.csv", posts=IMPORTED)
        self.content = file_digest(self.table)
        import_posts(ALICE, open_file_source(self.table, ALICE))
        self.whole = ids(self.storage)
        self.storage.delete("posts")

    def work(self) -> None:
        scrape_file.fn(ALICE, str(self.table), self.content)

    def check(self) -> None:
        stored = ids(self.storage)
        assert stored in ([], self.whole)
        assert stored or not is_imported(self.storage, ALICE, self.content)
        self.work()
        assert ids(self.storage) == self.whole
        assert is_imported(self.storage, ALICE, self.content)
        for key in ("imports/alice.json", *data_file_keys(self.storage, ALICE)):
            self.storage.delete(key)


class Compactions:
    """Small files that are merged."""

    def __init__(self, folder: Path) -> None:
        self.storage, self.round = storage_root(), 0
        del folder
        self._fill()

    def _fill(self) -> None:
        for key in data_file_keys(self.storage, ALICE):
            self.storage.delete(key)
        for day in range(FILES):
            new = (post(n, f"{self.round}: {n}") for n in range(ROWS * day, ROWS * (day + 1)))
            scrape(self.storage, day, *new, post(0, f"edit {day}"))
        self.round += 1
        self.seen = read(self.storage, ALICE), dataset_digest(self.storage, ALICE)

    def work(self) -> None:
        compact(self.storage, ALICE, max_small=2)

    def check(self) -> None:
        assert (read(self.storage, ALICE), dataset_digest(self.storage, ALICE)) == self.seen
        self.work()
        assert (read(self.storage, ALICE), dataset_digest(self.storage, ALICE)) == self.seen
        assert len(data_file_keys(self.storage, ALICE)) == 1
        self._fill()


def assert_nothing_is_left(storage: Storage) -> None:
    """What the killed have left are drafts, known as abandoned, which later writes remove."""
    folder = storage.local(f"posts/{ALICE}")
    drafts = sorted(folder.glob(".draft-*"))
    assert abandoned_drafts(folder) == drafts
    for draft in drafts:
        delete_abandoned(draft)
    assert {path.name for path in folder.iterdir()} == {
        Path(key).name for key in data_file_keys(storage, ALICE)
    }


def main(kind: str, folder: str, times: str) -> None:
    os.environ["HUGGINGTWEETS_STORAGE"] = str(Path(folder) / "storage")
    settings.cache_clear()
    each = {"append": Appends, "import": Imports, "compact": Compactions}[kind](Path(folder))
    killed = kill_at_random(each.work, int(times), each.check)
    assert_nothing_is_left(each.storage)
    print(f"{killed} of {times} killed")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
