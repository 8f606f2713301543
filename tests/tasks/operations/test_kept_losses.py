"""The losses that are kept from one retrain to the next."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from tasks.core.errors import OptedOut
from tasks.core.names import Bot, Handle
from tasks.operations.kept_losses import drop_losses, kept_losses
from tasks.storage import Storage
from tasks.storage.opt_outs import opt_out

ALICE, BOTH = Bot.parse("alice"), Bot.parse("alice-bob")
KEY = "losses/alice.json"


def test_what_an_evaluation_does_not_ask_for_is_forgotten(storage: Storage) -> None:
    with kept_losses(storage, ALICE) as losses:
        losses.learn("parent", [[1, 2], [3, 4]], [0.1, 1 / 3])
    with kept_losses(storage, ALICE) as losses:
        losses.learn("bot", [[3, 4]], [0.25])
    assert set(storage.read_json(KEY)) == {"parent", "bot"}, "a training keeps all"
    with kept_losses(storage, ALICE, prune=True) as losses:
        assert losses.each("parent", [[3, 4]], lambda _: pytest.fail("it is known")) == [1 / 3]
    assert [len(posts) for posts in storage.read_json(KEY).values()] == [1]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"w": {"a": "x"}}', b"\xff"])
def test_a_damaged_file_is_measured_again(
    content: bytes, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    storage.write(KEY, content)
    with caplog.at_level(logging.WARNING), kept_losses(storage, ALICE) as losses:
        assert losses.each("w", [[1, 2]], lambda _: [0.5]) == [0.5]
    assert "measuring all held-out posts: @alice" in caplog.text
    assert list(storage.read_json(KEY)) == ["w"]


def test_what_fails_changes_nothing(storage: Storage) -> None:
    def fail() -> None:
        with kept_losses(storage, ALICE) as losses:
            losses.learn("w", [[1, 2]], [0.5])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not storage.exists(KEY)


def test_nothing_is_kept_of_an_account_that_opts_out_meanwhile(storage: Storage) -> None:
    def measure() -> None:
        with kept_losses(storage, BOTH) as losses:
            losses.learn("w", [[1, 2]], [0.5])
            opt_out(storage, Handle("bob"), datetime.now(UTC))

    with pytest.raises(OptedOut):
        measure()
    assert storage.files("losses") == {}


def test_deleted_posts_take_the_losses_of_all_bots_of_their_account(storage: Storage) -> None:
    for bot in (ALICE, BOTH, Bot.parse("carol")):
        with kept_losses(storage, bot) as losses:
            losses.learn("w", [[1, 2]], [0.5])
    drop_losses(storage, Handle("alice"))
    assert list(storage.files("losses")) == ["losses/carol.json"]
