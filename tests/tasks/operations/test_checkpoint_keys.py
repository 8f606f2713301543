"""What a checkpoint is known by, and which of those in the cache are of today's recipe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.core.names import Bot
from tasks.core.records import Base, Corpus, FileRef, Spec, digest
from tasks.operations.checkpoint_keys import checkpoint_key, fingerprint_of, is_current
from tasks.storage import Storage
from tests.tasks.publishing.examples import make_contents

ALICE = Bot.parse("alice")
BASE = Base("base", "/anywhere", "r1", "the base")
CORPUS = Corpus(ALICE, FileRef("corpora/alice/1.parquet", "1" * 64, 120), "modern", {}, 1, 1, 1, ())
# With an early stop that is not left to the defaults.
FULL = Spec(patience=1, evaluations=2)
ADAPTER = replace(FULL, mode="adapter")


def test_fingerprints_change_with_the_recipe_and_the_defaults_alone() -> None:
    """Whoever changes either retrains all bots: these then change too, and nothing else does."""
    assert [fingerprint_of(CORPUS, BASE, spec) for spec in (Spec(), Spec(mode="adapter"))] == [
        "dcacf4e2ae618493b0c72c1cd77ea28aea50f91c5012516e5927fdcd06899805",
        "c1d84dc51fe263b4ee7cb38c9810543d2a74c843ad04204541afcc10ed2f70e5",
    ]


@pytest.mark.parametrize(("spec", "earlier"), [(FULL, 5), (ADAPTER, 6)])
def test_a_cached_checkpoint_of_an_earlier_recipe_is_not_current(
    storage: Storage, spec: Spec, earlier: int
) -> None:
    """Where a bot's settings name all that defaults may change, the recipe alone differs."""
    today = fingerprint_of(CORPUS, BASE, spec)
    before = digest(earlier, ALICE, CORPUS.file.sha256, BASE.id, BASE.revision, spec)
    for fingerprint, current in ((before, False), (today, True)):
        key = checkpoint_key(ALICE, fingerprint)
        cached = replace(make_contents().checkpoint, uri=key, fingerprint=fingerprint)
        assert not is_current(storage, cached, today), "its files have gone"
        storage.write_json(f"{key}/manifest.json", {})
        assert is_current(storage, cached, today) is current
    assert len(storage.folders("checkpoints/alice")) == 2, "the earlier one stays"
