"""Where the next training starts, from what is stored of the last release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tasks.core.names import Bot, Handle
from tasks.core.records import Base, Corpus, Release, Spec
from tasks.core.settings import settings
from tasks.curation.corpus import build_corpus
from tasks.curation.corpus_dropping import drop_corpora
from tasks.curation.corpus_files import write_corpus
from tasks.operations.checkpoint_keys import fingerprint_of
from tasks.operations.training_start import released_already, training_start
from tasks.operations.warm_starts import Start
from tasks.publishing.releases import publish_locally, revision_of
from tasks.storage import Storage
from tests.tasks.curation.lake_tables import lake_table, sentences
from tests.tasks.publishing.examples import CHECKPOINT, MODEL, make_contents

ALICE = Bot.parse("alice")
BASE = Base("base", "/anywhere", "r1", "the base")
NOW = datetime.now(UTC)


def corpus(storage: Storage, posts: int) -> Corpus:
    tables = {ALICE.handles[0]: lake_table(sentences(posts))}
    made = build_corpus(ALICE, tables, filter_name="modern", floor=0, warn_below=0)
    return write_corpus(storage, made, ALICE, "modern")


@pytest.fixture
def release(storage: Storage) -> Release:
    """A release that was trained from the base on 200 posts."""
    with storage.new_folder(CHECKPOINT) as folder:
        for name, data in (*MODEL.items(), ("manifest.json", b"{}")):
            (folder / name).write_bytes(data)
    trained_on = corpus(storage, 200)
    fingerprint = fingerprint_of(trained_on, BASE, Spec())
    usual = make_contents()
    contents = replace(
        usual,
        corpus=trained_on,
        base=BASE,
        checkpoint=replace(usual.checkpoint, fingerprint=fingerprint),
        created_at=NOW,
        revision=revision_of(NOW, fingerprint),
    )
    return publish_locally(storage, CHECKPOINT, contents, fonts=())


def start(storage: Storage, posts: int = 220, **changes: bool) -> Start:
    now = corpus(storage, posts)
    return training_start(ALICE, now, BASE, Spec(), **{"from_base": False, **changes})


def test_new_posts_are_a_warm_start(storage: Storage, release: Release) -> None:
    found = start(storage)
    assert found.warm_start is not None
    assert found.warm_start.release == release.revision
    assert (found.warm_start.base_posts, found.warm_start.new_posts) == (180, 18)
    assert found.warm_start.weights.uri == f"{release.folder}/model.safetensors"


def test_it_can_be_forbidden(
    storage: Storage, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert str(start(storage, from_base=True)) == "from the base: it was asked for"
    for name in ("WARM_SHARE", "WARM_DAYS"):
        with monkeypatch.context() as patch:
            patch.setenv(f"HUGGINGTWEETS_{name}", "0")
            settings.cache_clear()
            assert start(storage).warm_start is None, name
    settings.cache_clear()
    assert start(storage).warm_start is not None


def deletes_a_post(storage: Storage, _release: Release) -> None:
    drop_corpora(storage, Handle("alice"), {"1000", "1", "0", "10"})


def damages_the_weights(storage: Storage, release: Release) -> None:
    weights = storage.local(f"{release.folder}/model.safetensors")
    whole = weights.read_bytes()
    weights.unlink()  # the checkpoint has the same file
    weights.write_bytes(b"W" + whole[1:])


def loses_the_weights(storage: Storage, release: Release) -> None:
    storage.delete(f"{release.folder}/model.safetensors")


def loses_the_release(storage: Storage, release: Release) -> None:
    storage.delete(release.folder)


def damages_the_manifest(storage: Storage, release: Release) -> None:
    key = f"{release.folder}/manifest.json"
    manifest = storage.read_json(key)
    del manifest["corpus"]["uri"]
    storage.write_json(key, manifest)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (deletes_a_post, "are not stored any more"),
        (damages_the_weights, "missing or damaged"),
        (loses_the_weights, "missing or damaged"),
        (loses_the_release, "there is no release yet"),
        (damages_the_manifest, "does not say what it was made from"),
    ],
)
def test_what_is_not_whole_is_not_started_from(
    harm: Callable[[Storage, Release], None], reason: str, storage: Storage, release: Release
) -> None:
    harm(storage, release)
    found = start(storage)
    assert found.warm_start is None
    assert reason in found.reason


def test_the_same_posts_are_released_already(storage: Storage, release: Release) -> None:
    same, more = corpus(storage, 200), corpus(storage, 220)
    assert released_already(ALICE, same, BASE, Spec()) == release
    assert released_already(ALICE, same, BASE, Spec(), from_base=True) == release
    assert released_already(ALICE, same, BASE, Spec(seed=1)) is None
    assert released_already(ALICE, more, BASE, Spec()) is None


def test_a_warm_start_is_released_already_but_not_as_a_training_from_the_base(
    storage: Storage, release: Release
) -> None:
    warm_start, more = start(storage).warm_start, corpus(storage, 220)
    fingerprint = fingerprint_of(more, BASE, Spec(), warm_start)
    usual = make_contents()
    contents = replace(
        usual,
        corpus=more,
        base=BASE,
        checkpoint=replace(usual.checkpoint, fingerprint=fingerprint, warm_start=warm_start),
        created_at=NOW,
        revision=revision_of(NOW, fingerprint),
    )
    warm = publish_locally(storage, CHECKPOINT, contents, fonts=())
    assert released_already(ALICE, more, BASE, Spec()) == warm
    assert released_already(ALICE, more, BASE, Spec(), from_base=True) is None
    again = start(storage, 230)
    assert again.warm_start is not None
    assert again.warm_start.release == warm.revision
    assert again.warm_start.base_posts == 180
