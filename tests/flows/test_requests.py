"""A profile's address is taken wherever a handle is: command, forms, lists, registry."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from deployments.cli.retrain import parse_sources
from flows.requests import BotName, BotRequest, HandleName
from tasks.core.errors import BadInput
from tasks.core.names import Bot
from tasks.registry.entries import load_registry
from tasks.registry.handle_lists import read_list

GIVEN = {
    "https://x.com/Alice": "alice",
    "x.com/alice/status/1?s=20": "alice",
    "@gardendiaryof2007": "gardendiaryof2007",
    " bsky.app/profile/alice.bsky.social ": "alice.bsky.social",
}


@pytest.mark.parametrize(("given", "name"), GIVEN.items())
def test_forms_take_a_handle_or_an_address(given: str, name: str) -> None:
    assert TypeAdapter(HandleName).validate_python(given) == name
    assert TypeAdapter(BotName).validate_python(given) == name
    assert BotRequest(name=given, sources={given: "x_api"}).sources == {name: "x_api"}


@pytest.mark.parametrize("given", ["a b", "https://x.com", "http://x.com/a b", "a" * 21, ""])
def test_forms_refuse_what_is_neither(given: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(HandleName).validate_python(given)


def test_lists_take_a_handle_or_an_address(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n".join([*GIVEN, "https://x.com/home", "carol # mine"]))
    listed = read_list(["@bob", "https://x.com/bob"], tmp_path / "list.txt")
    assert listed.names == ("bob", "alice", "gardendiaryof2007", "alice.bsky.social", "carol")
    assert [line["text"] for line in listed.wrong] == ["https://x.com/home"]


def test_the_registry_takes_a_handle_or_an_address(tmp_path: Path) -> None:
    path = tmp_path / "bots.yaml"
    path.write_text(
        "bots:\n- {handles: ['https://x.com/alice', '@bob'], source: {x.com/Alice: x_api}}"
    )
    (entry,) = load_registry(path)
    assert entry.bot.name == "alice-bob"
    assert entry.sources == {"alice": "x_api"}


def test_the_option_source_takes_a_handle_or_an_address() -> None:
    bots = [Bot.parse("alice"), Bot.parse("bob")]
    given = ["https://x.com/Alice=x_api", "@bob=/posts.csv"]
    assert parse_sources(bots, given) == {"alice": "x_api", "bob": "/posts.csv"}
    with pytest.raises(BadInput, match="handles here: alice, bob"):
        parse_sources(bots, ["x.com/carol=x_api"])
