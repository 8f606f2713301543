"""Which posts of an append are stored, by what is stored already."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, cached_property, partial
from typing import Any

from tasks.core.names import Handle
from tasks.core.records import Post
from tasks.core.records.made_ids import FORMER_ID, MadeIds
from tasks.lake.edits import replaced_ids
from tasks.lake.reading import scan_batches
from tasks.lake.snapshot import Snapshot, locations, with_snapshot
from tasks.lake.surrogates import replace_surrogates
from tasks.lake.versions import (
    VERSION_COLUMNS,
    Version,
    fingerprint,
    is_edited_in_place,
    ranks,
    ranks_of,
    version_of,
    versions_in,
)
from tasks.storage import Storage


@dataclass
class StoredPosts:
    """What an append has to know of an account's dataset.

    ranks: computes the rank of each post's best version, which few appends ask for.
    ids: of all posts. versions: a hash of each version that is stored. Python's 64-bit hash keeps a
        million posts small in memory, and is keyed by a secret of the process, so that no account
        can choose texts that collide.
    own: of these, the versions that were stored at the instants given to `scan`.
    last: for posts that are edited in place, the hash of the version that was stored last.
    former: for each made id the id that an earlier version of this program gave the post.
    replaced: ids of earlier versions of edited posts.
    """

    ranks: Callable[[], dict[str, int]]
    ids: set[str] = field(default_factory=set)
    versions: set[int] = field(default_factory=set)
    own: set[int] = field(default_factory=set)
    last: dict[str, int] = field(default_factory=dict)
    former: dict[str, str] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()

    @cached_property
    def best(self) -> dict[str, int]:
        """The rank of the best version of each post that was stored before this append."""
        return self.ranks()

    def add(self, version: Version, key: int) -> None:
        """Take in a version, and its hash, that is stored after those before."""
        self.ids.add(version[0])
        self.versions.add(key)
        if is_edited_in_place(version[3]):
            self.last[version[0]] = key

    def has(self, version: Version) -> bool:
        """Whether the version is stored, and still the one that counts if it is edited in place."""
        if is_edited_in_place(version[3]):
            return self.last.get(version[0]) == hash(version)
        return hash(version) in self.versions


def scan(storage: Storage, handle: Handle, own: Collection[datetime]) -> StoredPosts:
    """What is stored of an account.

    Raises DamagedState, NetworkTrouble, TransientError, StorageUnusable.
    """
    return with_snapshot(storage, handle, partial(_scan, storage, handle, own))


def _scan(
    storage: Storage, handle: Handle, own: Collection[datetime], snapshot: Snapshot
) -> StoredPosts:
    stored = StoredPosts(lambda: with_snapshot(storage, handle, partial(_ranks, storage)))
    made = dict[str, MadeIds]()
    for at in locations(storage, snapshot):
        is_own = at.segment.scraped_at in own
        for batch in scan_batches(storage, [at], VERSION_COLUMNS):
            versions = versions_in(batch)
            keys = list(map(hash, versions))
            stored.ids.update(version[0] for version in versions)
            stored.versions.update(keys)
            if is_own:
                stored.own.update(keys)
            for version, key in zip(versions, keys, strict=True):
                if is_edited_in_place(version[3]):
                    stored.last[version[0]] = key
                elif version[0][16:17] == "-" and (found := FORMER_ID.fullmatch(version[0])):
                    file = made.setdefault(found[1], MadeIds())
                    stored.former.setdefault(file.next(version[1]), version[0])
    stored.replaced = replaced_ids(storage, handle, snapshot.edits)
    return stored


def _ranks(storage: Storage, snapshot: Snapshot) -> dict[str, int]:
    best: dict[str, int] = {}
    for batch in scan_batches(storage, locations(storage, snapshot), VERSION_COLUMNS):
        ids: list[Any] = batch["id"].to_pylist()
        for post_id, rank in zip(ids, ranks(batch).to_pylist(), strict=True):
            best[post_id] = max(best.get(post_id, -1), rank)
    return best


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
            if new := self._new_ones([*map(replace_surrogates, batch)]):
                yield new
        self.new = len(self._counted - self.stored.replaced - self.replaced)

    def _new_ones(self, posts: list[Post]) -> list[Post]:
        # Computed for all at once, where one is asked for; a post's id has no part in its rank.
        every = cache(lambda: ranks_of([*map(version_of, posts)]))
        given = zip(map(self._under_its_id, posts), range(len(posts)), strict=True)
        return [post for post, place in given if self._is_new(post, partial(_at, every, place))]

    def _under_its_id(self, post: Post) -> Post:
        former = post.former_id
        if former is None or former not in self.stored.ids:
            former = self.stored.former.get(post.id)
        return post if former is None else replace(post, id=former)

    def _is_new(self, post: Post, rank: Callable[[], int]) -> bool:
        self.replaced.update(post.replaces)
        version = version_of(post)
        key = hash(version)
        if self.stored.has(version):
            if self.with_repeats and key not in self.stored.own:
                self.repeats.add(fingerprint(version))
            return False
        if post.id not in self._counted and self._is_better(version, rank):
            self._counted.add(post.id)
        self.stored.add(version, key)
        self.stored.own.add(key)
        return True

    def _is_better(self, version: Version, rank: Callable[[], int]) -> bool:
        """Whether a version counts from now on, or none of the post was stored before."""
        if version[0] not in self.stored.ids or is_edited_in_place(version[3]):
            return True
        return rank() > self.stored.best.get(version[0], -1)


def _at(ranks: Callable[[], list[int]], place: int) -> int:
    return ranks()[place]
