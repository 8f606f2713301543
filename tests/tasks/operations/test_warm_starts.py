"""When a training starts from the last release, and when from the base: each rule by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.core.names import Bot
from tasks.core.records import Base, Corpus, FileRef, Gate, GateFigures, Spec, WarmStart
from tasks.curation.corpus_files import CorpusPosts
from tasks.operations.checkpoint_keys import fingerprint_of
from tasks.operations.warm_starts import (
    Limits,
    Parent,
    Start,
    made_otherwise,
    parent_in,
    start_from,
)

ALICE = Bot.parse("alice")
BASE = Base("base", "/anywhere", "r1", "the base")
CORPUS = Corpus(ALICE, FileRef("corpora/alice/2.parquet", "2" * 64, 130), "modern", {}, 1, 1, 1, ())
THEN = FileRef("corpora/alice/1.parquet", "1" * 64, 120)
DAY = datetime(2026, 1, 2, tzinfo=UTC)
FOLDER = "releases/alice/20260102-aaaaaaaa"
LIMITS = Limits(share=0.25, days=30)
HELD_BACK = Gate(passed=False, reasons=("worse",), figures=GateFigures(0.1, 0.2, 0.0))


def manifest(warm_start: WarmStart | None = None, **changes: Any) -> dict[str, Any]:
    """As a release writes it, of a training on THEN."""
    trained = replace(CORPUS, file=THEN)
    return {
        "kind": "release",
        "bot": "alice",
        "revision": "20260102-aaaaaaaa",
        "fingerprint": fingerprint_of(trained, BASE, Spec(), warm_start),
        "created_at": DAY.isoformat(),
        "corpus": {**asdict(THEN), "filter": "modern"},
        "base": {"id": "base", "origin": "the base", "revision": "r1", "license": None},
        "spec": asdict(Spec()),
        "files": {"model.safetensors": {"size": 1, "sha256": "w" * 64}},
        "warm_start": asdict(warm_start) if warm_start else None,
    } | changes


def parent(warm_start: WarmStart | None = None, **changes: Any) -> Parent:
    found = parent_in(manifest(warm_start, **changes))
    assert found is not None
    return found


def posts(train: range, held_out: range = range(1000, 1020)) -> CorpusPosts:
    def named(numbers: range) -> frozenset[tuple[str, str, str]]:
        return frozenset(("alice", str(number), f"post {number}") for number in numbers)

    return CorpusPosts(named(train), named(held_out))


def test_new_posts_alone_are_read_from_the_release_on() -> None:
    start = start_from(
        parent(), FOLDER, posts(range(100)), posts(range(110)), LIMITS, DAY + timedelta(days=1)
    )
    assert start.warm_start == WarmStart(
        release="20260102-aaaaaaaa",
        folder=FOLDER,
        weights=FileRef(f"{FOLDER}/model.safetensors", "w" * 64),
        corpus=THEN,
        base_used_at=DAY.isoformat(),
        base_posts=100,
        new_posts=10,
    )
    assert str(start) == "from release 20260102-aaaaaaaa: 10 new posts"


def test_posts_that_have_left_the_held_out_ones_are_new() -> None:
    before, now = posts(range(100), range(100, 120)), posts(range(105), range(105, 130))
    start = start_from(parent(), FOLDER, before, now, LIMITS, DAY)
    assert start.warm_start is not None
    assert start.warm_start.new_posts == 5


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        (posts(range(100)), posts(range(1, 110)), "trained on 1 post no longer in the corpus"),
        (posts(range(100)), posts(range(98), range(98, 118)), "trained on 2 posts now held out"),
        (posts(range(100)), posts(range(100), range(100, 130)), "no training posts are new"),
        (posts(range(100)), posts(range(125)), "25% more training posts"),
    ],
)
def test_it_starts_from_the_base_where(before: CorpusPosts, now: CorpusPosts, reason: str) -> None:
    start = start_from(parent(), FOLDER, before, now, LIMITS, DAY)
    assert start.warm_start is None
    assert re.search(reason, start.reason), start.reason
    # Deleted posts stay in a release's weights: nothing may be trained from them again.
    assert (start.instead is not None) == ("25% more" in reason)


def test_a_post_whose_text_has_changed_is_not_the_one_that_was_trained_on() -> None:
    before = posts(range(100))
    edited = replace(
        posts(range(1, 110)), train=posts(range(1, 110)).train | {("alice", "0", "edited")}
    )
    assert (
        "no longer in the corpus"
        in start_from(parent(), FOLDER, before, edited, LIMITS, DAY).reason
    )


@pytest.mark.parametrize(
    ("age", "warm"), [(timedelta(days=30), False), (timedelta(days=29, hours=23), True)]
)
def test_the_base_is_used_again_in_time(age: timedelta, warm: bool) -> None:
    start = start_from(parent(), FOLDER, posts(range(100)), posts(range(110)), LIMITS, DAY + age)
    assert (start.warm_start is not None) == warm
    assert warm or start.reason == "the last training from it was 30 days ago"


def test_share_and_days_count_from_the_base_and_not_from_the_parent() -> None:
    first = start_from(parent(), FOLDER, posts(range(100)), posts(range(120)), LIMITS, DAY)
    assert first.warm_start is not None
    second = parent(first.warm_start, created_at=(DAY + timedelta(days=20)).isoformat())
    at = DAY + timedelta(days=21)
    again = start_from(second, FOLDER, posts(range(120)), posts(range(124)), LIMITS, at)
    assert again.warm_start is not None
    assert again.warm_start.base_posts == 100
    assert again.warm_start.base_used_at == DAY.isoformat()
    too_many = start_from(second, FOLDER, posts(range(120)), posts(range(125)), LIMITS, at)
    assert too_many.reason.startswith("25% more"), "though only 4% more than the parent"
    late = start_from(
        second, FOLDER, posts(range(120)), posts(range(124)), LIMITS, DAY + timedelta(days=30)
    )
    assert late.reason == "the last training from it was 30 days ago"


def test_held_back_it_starts_where_else_it_may_and_the_base_has_its_turn_a_quarter_later() -> None:
    turn = start_from(parent(), FOLDER, posts(range(100)), posts(range(125)), LIMITS, DAY)
    again = turn.after(HELD_BACK)
    assert again is not None
    assert str(again) == (
        "from release 20260102-aaaaaaaa: the training from the base was held back: worse"
    )
    assert again.warm_start is not None
    assert (again.warm_start.base_posts, again.warm_start.new_posts) == (125, 25)
    assert again.after(HELD_BACK) == Start(None, "the warm start was held back: worse")
    assert Start(None, "it was asked for").after(HELD_BACK) is None

    release = parent(again.warm_start)
    limits = (LIMITS, DAY + timedelta(days=1))
    next_night = start_from(release, FOLDER, posts(range(125)), posts(range(130)), *limits)
    assert next_night.warm_start is not None, "the base has had its turn"
    later = start_from(release, FOLDER, posts(range(125)), posts(range(157)), *limits)
    assert later.reason == "26% more training posts than at the last training from it"


def test_a_release_made_as_one_is_now_is_made_in_no_other_way() -> None:
    assert made_otherwise(parent(), CORPUS, BASE, Spec()) is None
    first = start_from(parent(), FOLDER, posts(range(100)), posts(range(120)), LIMITS, DAY)
    assert made_otherwise(parent(first.warm_start), CORPUS, BASE, Spec()) is None


@pytest.mark.parametrize(
    ("of", "asked", "reason"),
    [
        ({}, {"base": replace(BASE, revision="r2")}, "another base"),
        ({}, {"corpus": replace(CORPUS, filter="classic")}, "the filter modern"),
        ({}, {"spec": Spec(epochs=1)}, "other settings"),
        ({}, {"spec": Spec(mode="adapter")}, "adapters always start from it"),
        ({"fingerprint": "0" * 64}, {}, "another recipe"),
        ({}, {"corpus": replace(CORPUS, bot=Bot.parse("bob"))}, "another recipe"),
        ({"files": {"adapter_model.safetensors": {"sha256": "w"}}}, {}, "is an adapter"),
    ],
)
def test_it_starts_from_the_base_where_the_release_was_made_otherwise(
    of: dict[str, Any], asked: dict[str, Any], reason: str
) -> None:
    usual: dict[str, Any] = {"corpus": CORPUS, "base": BASE, "spec": Spec()}
    found = made_otherwise(parent(**of), **{**usual, **asked})
    assert found is not None
    assert reason in found


def without(*names: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda whole: {name: value for name, value in whole.items() if name not in names}


def test_a_manifest_of_an_older_version_is_of_a_training_from_the_base() -> None:
    old = parent_in(without("warm_start")(manifest()))
    assert old == parent()
    assert old is not None
    assert old.base_used_at == DAY


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        7,
        [],
        {},
        without("corpus")(manifest()),
        manifest(corpus={"filter": "modern"}),  # of versions that did not record the corpus
        manifest(created_at="yesterday"),
        manifest(created_at="2026-01-02T00:00:00"),
        {**manifest(), "warm_start": {"release": "x"}},
        manifest(files={"model.safetensors": 3}),
    ],
)
def test_what_says_too_little_is_nothing_to_start_from(damaged: Any) -> None:
    assert parent_in(damaged) is None
