"""Which posts of an append are stored, by what is stored already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from tasks.core.records import Post
from tasks.core.records.made_ids import FORMER_ID, MadeIds
from tasks.lake.edits import replaced_ids
from tasks.lake.reading import scan_rows
from tasks.lake.snapshot import Snapshot, locations
from tasks.lake.surrogates import replace_surrogates
from tasks.lake.versions import (
    VERSION_COLUMNS,
    Version,
    fingerprint,
    is_edited_in_place,
    richness,
    version_of,
    versions_in,
)
from tasks.storage import Storage


@dataclass
class StoredPosts:
    """What an append has to know of an account's dataset.

    versions: a hash of each version that is stored. Python's 64-bit hash keeps a million posts
        small in memory, and is keyed by a secret of the process, so that no account can choose
        texts that collide.
    own: of these, the versions that were stored at the instants given to `scan`.
    best: the richness of each post's best version. last: for posts that are edited in place, the
        hash of the version that was stored last.
    former: for each made id the id that an earlier version of this program gave the post.
    replaced: ids of earlier versions of edited posts.
    """

    versions: set[int] = field(default_factory=set)
    own: set[int] = field(default_factory=set)
    best: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    former: dict[str, str] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()

    def add(self, version: Version, *, is_own: bool = False) -> None:
        """Take in a version that is stored after those before."""
        post_id, source, key = version[0], version[3], hash(version)
        self.versions.add(key)
        if is_own:
            self.own.add(key)
        self.best[post_id] = max(self.best.get(post_id, -1), _rank(version))
        if is_edited_in_place(source):
            self.last[post_id] = key

    def has(self, version: Version) -> bool:
        """Whether the version is stored, and still the one that counts if it is edited in place."""
        if is_edited_in_place(version[3]):
            return self.last.get(version[0]) == hash(version)
        return hash(version) in self.versions


def scan(storage: Storage, own: Collection[datetime], snapshot: Snapshot) -> StoredPosts:
    """What is stored in a snapshot. Raises FileVanished, DamagedState, StorageUnusable."""
    stored, made = StoredPosts(), dict[str, MadeIds]()
    columns = [*VERSION_COLUMNS, "scraped_at"]
    for *values, instants in scan_rows(storage, locations(storage, snapshot), columns):
        for version, scraped_at in zip(versions_in(values), instants, strict=True):
            stored.add(version, is_own=scraped_at in own)
            if found := FORMER_ID.fullmatch(version[0]):
                file = made.setdefault(found[1], MadeIds())
                stored.former.setdefault(file.next(version[1]), version[0])
    stored.replaced = replaced_ids(storage, snapshot.handle, snapshot.edits)
    return stored


def _rank(version: Version) -> int:
    """The richness as one number, which takes less memory."""
    is_rich, is_known, is_clean, length, is_dated, has_language = richness(version)
    flags = is_rich << 2 | is_known << 1 | is_clean
    return flags << 64 | length << 2 | is_dated << 1 | has_language


@dataclass
class NewPosts:
    """Selects the posts of one append that are to be written.

    new: posts that were not stored before, or in a poorer version. seen: posts that were given.
    repeats: with `with_repeats` the fingerprints of given versions that were stored already, and
        not by the import itself. replaced: ids that edited posts among the given ones replace.
    """

    stored: StoredPosts
    with_repeats: bool = False
    new: int = 0
    seen: int = 0
    repeats: set[int] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    _counted: set[str] = field(default_factory=set)

    def select(self, batches: Iterable[list[Post]]) -> Iterator[list[Post]]:
        """The posts to write, batch by batch."""
        for batch in batches:
            self.seen += len(batch)
            given = (self._under_its_id(replace_surrogates(post)) for post in batch)
            if new := [post for post in given if self._is_new(post)]:
                yield new
        self.new = len(self._counted - self.stored.replaced - self.replaced)

    def _under_its_id(self, post: Post) -> Post:
        former = post.former_id
        if former is None or former not in self.stored.best:
            former = self.stored.former.get(post.id)
        return post if former is None else replace(post, id=former)

    def _is_new(self, post: Post) -> bool:
        self.replaced.update(post.replaces)
        version = version_of(post)
        if self.stored.has(version):
            if self.with_repeats and hash(version) not in self.stored.own:
                self.repeats.add(fingerprint(version))
            return False
        before = self.stored.best.get(post.id, -1)
        if _rank(version) > before or is_edited_in_place(post.source):
            self._counted.add(post.id)
        self.stored.add(version, is_own=True)
        return True
