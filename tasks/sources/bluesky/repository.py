"""The records in the export of a Bluesky account's repository, a `.car` file.

The file holds blocks by the hashes of their contents. The first root is a commit, which names the
account and the root of a tree; the tree's nodes name the records by their keys, such as
`app.bsky.feed.post/3k…`. See https://atproto.com/specs/repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tasks.core.errors import UnreadableSource

MAX_EXPORT = 256 << 20  # bytes; all of it is decoded at once, and 100,000 posts take 50 MB
_LONGEST_KEY = 1_024  # bytes
_HEADER = b"\xa2eroots"  # a map of two, the first `roots`, after the header's length


@dataclass(frozen=True)
class Repository:
    """An account's records; did: of the account; blocks: decoded, by hash; root: of the tree."""

    label: str
    did: str
    root: bytes
    blocks: dict[bytes, Any]

    def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """All records with their keys. Raises UnreadableSource for a tree with a hole."""
        waiting, seen = [self.root], {self.root}
        while waiting:
            node = self._node(waiting.pop())
            below, key = [node.get("l")], b""
            for entry in node["e"]:
                shared, rest, link = _entry(entry, self.label)
                key = key[:shared] + rest
                if len(key) > _LONGEST_KEY:
                    raise _damaged(self.label, "a key is too long")
                record = self.blocks.get(link)
                if not isinstance(record, dict):
                    raise _damaged(self.label, "a record is missing")
                yield key.decode("utf-8", "replace"), record
                below.append(entry.get("t"))
            new = [each for each in reversed(below) if each is not None and each not in seen]
            seen.update(new)
            waiting += new

    def _node(self, link: bytes) -> dict[str, Any]:
        node = self.blocks.get(link)
        if not isinstance(node, dict) or not isinstance(node.get("e"), list):
            raise _damaged(self.label, "a node of the tree is missing")
        if not isinstance(node.get("l"), bytes | None):
            raise _damaged(self.label, "a link is none")
        return node


def is_repository(start: bytes) -> bool:
    """Whether a file that begins so is a `.car`."""
    return _HEADER in start[: len(_HEADER) + 2]


def read_repository(content: bytes, label: str) -> Repository:
    """The repository in a file. Raises UnreadableSource, which names `label`."""
    import libipld

    try:
        header, blocks = libipld.decode_car(content)
    except (ValueError, RecursionError, OverflowError, TypeError) as error:
        raise _damaged(label, str(error).split("\n", 1)[0][:80]) from error
    roots = header.get("roots")
    commit = blocks.get(roots[0]) if isinstance(roots, list) and roots else None
    if not isinstance(commit, dict):
        raise _damaged(label, "it has no commit")
    did, root = commit.get("did"), commit.get("data")
    if not isinstance(did, str) or not did.startswith("did:") or not isinstance(root, bytes):
        raise _damaged(label, "its commit is not of a repository")
    return Repository(label, did[:300], root, blocks)


def _entry(entry: object, label: str) -> tuple[int, bytes, bytes]:
    """How much of the key before is shared, the rest of the key, and the record's hash."""
    if isinstance(entry, dict):
        shared, rest, link = entry.get("p"), entry.get("k"), entry.get("v")
        is_tree = isinstance(entry.get("t"), bytes | None)
        if isinstance(rest, bytes) and isinstance(link, bytes) and is_tree:
            return (shared if isinstance(shared, int) and shared > 0 else 0), rest, link
    raise _damaged(label, "an entry of the tree is none")


def _damaged(label: str, what: str) -> UnreadableSource:
    return UnreadableSource(
        f"{label}: is no whole export of Bluesky ({what}): download it again, or fetch the account "
        "with --source bluesky"
    )
