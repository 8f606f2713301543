"""The removal of an account, killed at random moments; the next one must finish it.

    python -m tests.tasks.removal.killed_removal FOLDER TIMES

Each time the storage is filled anew. Prints how many removals were killed before their end.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from tasks.core.names import Handle
from tasks.core.settings import Settings
from tasks.ingest.scrape_state import save_stop
from tasks.removal.account_removal import remove_account
from tasks.removal.inventory import OF_BOTS, OF_HANDLES
from tasks.removal.this_machine import ThisMachine
from tasks.storage import Storage, open_storage
from tests.killing import kill_at_random
from tests.tasks.removal.traces import traces

ALICE, AT = Handle("alice"), datetime(2026, 1, 2, tzinfo=UTC)
BOTS = ("alice", "alice-bob", "bob")


class Machine:
    """A storage, and the folders that a machine has beside it."""

    def __init__(self, folder: Path) -> None:
        self.storage = open_storage(str(folder / "storage"))
        self.results, self.temporary = folder / "results", folder / "temporary"
        for made in (self.results, self.temporary):
            made.mkdir()

    def fill(self) -> None:
        """Give it something of each kind, of alice and of bob, and what killed processes left."""
        for folder in OF_HANDLES:
            for name in ("alice", "bob"):
                self.write(f"{folder}/{name}/a", b"of %s" % name.encode())
                self.write(f"{folder}/{name}/.draft-{name}-0123abcd", b"half of %s" % name.encode())
        for folder in OF_BOTS:
            for bot in BOTS:
                self.write(f"{folder}/{bot}/below/b", b"of %s" % bot.encode())
                self.write(f"{folder}/{bot}/c", b"of %s" % bot.encode())
        self.write("posts/.draft-posts-0123abcd", b"posts of alice")
        self.storage.write_json("profiles/bob.json", {"handle": "bob"})
        self.write("profiles/.draft-alice.json-0123abcd", b'{"handle": "alice"')
        self.storage.write_json("sweeps/fox.json", [{"@alice": 1.0, "@bob": 2.0}])
        save_stop(self.storage, "night", "x_api", "@alice: X asks for a payment", AT)
        for bot in BOTS:
            self.write(f"wandb/{bot}/run", b"of %s" % bot.encode())
            result = json.dumps({"__class__": "tasks.core.records.Outcome", "bot": bot})
            (self.results / f"outcome-{bot}").write_text(json.dumps({"result": result}))

    def write(self, key: str, data: bytes) -> None:
        """As fast as can be: it need not survive anything."""
        path = self.storage.local(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def remove(self) -> None:
        here = ThisMachine(self.storage, Settings(), self.results, temporary=self.temporary)
        remove_account(self.storage, ALICE, Settings(), AT, [here])


def bobs(storage: Storage) -> dict[str, bytes]:
    """All that is only bob's, by its key."""
    root = Path(storage.path)
    paths = [path for path in root.rglob("*") if path.is_file()]
    keys = [path.relative_to(root).as_posix() for path in paths]
    return {key: storage.read(key) for key in keys if "/bob" in key}


def main(folder: str, times: str) -> None:
    machine = Machine(Path(folder))
    storage = machine.storage
    machine.fill()
    whole = bobs(storage)

    def check() -> None:
        machine.remove()
        receipts = storage.keys("receipts")
        assert traces(storage, "alice") == {"opt-outs/alice.json", *receipts}
        assert not any("alice" in path.read_text() for path in machine.results.iterdir())
        assert bobs(storage) == whole
        removed = {each["key"] for key in receipts for each in storage.read_json(key)["removed"]}
        assert removed >= {f"{folder}/alice" for folder in OF_HANDLES}, removed
        assert removed >= {f"{folder}/alice-bob" for folder in OF_BOTS}, removed
        assert removed >= {"posts/.draft-posts-0123abcd", "wandb/alice", "results of Prefect"}
        for key in ("opt-outs", "receipts"):
            storage.delete(key)
        machine.fill()

    print(f"{kill_at_random(machine.remove, int(times), check)} of {times} killed")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
