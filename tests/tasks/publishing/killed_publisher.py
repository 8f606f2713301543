"""A publisher that is killed at random moments, while it publishes and prunes.

    python -m tests.tasks.publishing.killed_publisher FOLDER TIMES

It alternates between two revisions and keeps one, so that each call replaces or prunes. After each
kill the latest release must be whole. Prints how many calls were killed before their end.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tasks.core.names import Bot
from tasks.publishing.releases import latest_release, publish_locally, verify_release
from tasks.storage import Storage, open_storage
from tests.killing import kill_at_random
from tests.tasks.publishing.examples import CHECKPOINT, MODEL, make_contents

ALICE = Bot.parse("alice")
REVISIONS = ("20260101-01234567", "20260102-01234567")


def publish(storage: Storage, number: int) -> None:
    """Publish each revision twice in a row, one after the other."""
    now, revision = datetime.now(UTC), REVISIONS[number // 2 % 2]
    contents = replace(make_contents(), revision=revision, created_at=now)
    publish_locally(storage, CHECKPOINT, contents, fonts=(), keep=1)


def check(storage: Storage) -> None:
    """The latest release is whole, whatever was killed."""
    release = latest_release(storage, ALICE)
    assert release is not None, "the release is gone"
    assert verify_release(storage, release, digests=True)


def main(folder: str, times: str) -> None:
    storage = open_storage(folder)
    with storage.new_folder(CHECKPOINT) as draft:
        for name, data in MODEL.items():
            (draft / name).write_bytes(data)
        (draft / "manifest.json").write_text(json.dumps({}))
    begun = iter(range(sys.maxsize))
    numbers = {"next": 0}

    def work() -> None:
        publish(storage, numbers["next"])

    def checked() -> None:
        check(storage)
        numbers["next"] = next(begun)

    killed = kill_at_random(work, int(times), checked)
    publish(storage, 0)
    left = [path.name for path in (Path(storage.path) / "releases/alice").iterdir()]
    assert sorted(each for each in left if each[0] != ".") == [REVISIONS[0], "latest"], left
    print(f"{killed} of {times} killed")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
