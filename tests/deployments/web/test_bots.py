"""What the pages find of a bot in the storage."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deployments.web.bots import UnknownBot, known_entry, picture_of
from tasks.core.names import Bot, Handle
from tasks.storage import Storage
from tasks.storage.opt_outs import opt_out
from tests.deployments.web.serving import release_bot

ALICE = Bot.parse("alice")


def test_a_picture_is_served_by_its_name_in_the_address_only(storage: Storage) -> None:
    release_bot(storage, "Alice")
    assert picture_of(storage, ALICE, "picture.png").startswith(b"\x89PNG")
    for bot, name in (
        (ALICE, "predictions.png"),
        (ALICE, "README.md"),
        (Bot.parse("b"), "picture.png"),
    ):
        with pytest.raises(UnknownBot):
            picture_of(storage, bot, name)


def test_of_an_account_that_opted_out_nothing_is_shown(storage: Storage) -> None:
    release_bot(storage, "Alice")
    opt_out(storage, Handle.parse("alice"), datetime(2026, 1, 2, tzinfo=UTC))
    for find in (
        lambda: picture_of(storage, ALICE, "picture.png"),
        lambda: known_entry(storage, ALICE),
    ):
        with pytest.raises(UnknownBot):
            find()
