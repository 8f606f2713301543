"""Posts that a person has chosen for a release's picture, and who has agreed to a bot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from tasks.core.errors import BadInput, DamagedState
from tasks.core.names import Bot
from tasks.core.records import Outcome, Release, Status
from tasks.curation.corpus import build_corpus
from tasks.curation.corpus_files import write_corpus
from tasks.operations.bot_deletion import delete_bot
from tasks.operations.consents import Consent, add_consents, load_consents
from tasks.operations.preview_posts import choose_posts, chosen_posts
from tasks.publishing.picture import render_picture
from tasks.registry.outcomes import save_outcome
from tasks.storage import Storage
from tests.sample_posts import write_table
from tests.tasks.publishing.examples import REVISION, make_contents

ALICE = Bot.parse("alice")
RELEASE = Release(ALICE, REVISION, "0" * 64, f"releases/alice/{REVISION}")


@pytest.fixture
def trained(storage: Storage, tmp_path: Path) -> list[str]:
    """An outcome of @alice, whose corpus is stored; returns the texts that it was trained on."""
    from tasks.core.names import Handle
    from tasks.curation.corpus_files import read_corpus
    from tasks.ingest.importing import import_posts
    from tasks.lake.posts import read
    from tasks.sources.file_sources import open_file_source

    handle = Handle.parse("alice")
    table = write_table(tmp_path / "posts.csv", posts=50)
    import_posts(handle, open_file_source(table, handle))
    posts = {handle: read(storage, handle)}
    curated = build_corpus(ALICE, posts, filter_name="modern", floor=0, warn_below=0)
    corpus = write_corpus(storage, curated, ALICE, "modern")
    assert isinstance(curated.table, pa.Table)
    outcome = Outcome("alice", Status.RELEASED, "fine", "2026-01-01T00:00:00+00:00", corpus=corpus)
    save_outcome(storage, outcome)
    return read_corpus(storage, corpus).train


def test_chosen_posts_are_on_the_picture_of_their_release_only(
    storage: Storage, trained: list[str]
) -> None:
    assert chosen_posts(storage, RELEASE) == ()
    posts = ["a new post of the bot", trained[0], "a second\nline \x1b[31m"]
    fresh = choose_posts(storage, RELEASE, posts)
    assert fresh == ("a new post of the bot", "a second line [31m"), "no training post"
    assert chosen_posts(storage, RELEASE) == fresh
    assert chosen_posts(storage, replace(RELEASE, revision="20260103-01234567")) == ()
    contents = make_contents()
    assert render_picture(contents, ()) != render_picture(replace(contents, chosen_posts=fresh), ())


def test_posts_that_repeat_training_posts_are_no_picture(
    storage: Storage, trained: list[str]
) -> None:
    with pytest.raises(BadInput, match="repeat"):
        choose_posts(storage, RELEASE, trained[:3])
    with pytest.raises(BadInput, match="repeat"):
        choose_posts(storage, RELEASE, ["", "\u202e"])
    assert chosen_posts(storage, RELEASE) == ()


def test_without_a_known_corpus_or_with_a_damaged_file_nothing_is_chosen(storage: Storage) -> None:
    with pytest.raises(BadInput, match="retrain"):
        choose_posts(storage, RELEASE, ["a post"])
    storage.write("releases/alice/preview.json", b"{")
    assert chosen_posts(storage, RELEASE) == ()


def test_consents_add_up_and_go_with_the_bot(storage: Storage) -> None:
    assert load_consents(storage, ALICE) == []
    first = Consent("alice", "table", "a.csv", "Alice <b>", "2026-01-01T00:00:00+00:00")
    second = replace(first, source="bluesky", file="")
    add_consents(storage, ALICE, [first])
    add_consents(storage, ALICE, [second])
    assert load_consents(storage, ALICE) == [first, second]
    storage.write("consents/bob.json", b"[1]")
    with pytest.raises(DamagedState, match="bob"):
        load_consents(storage, Bot.parse("bob"))
    assert "consents/alice.json" in delete_bot(storage, ALICE).keys
    assert load_consents(storage, ALICE) == []
