from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tasks.core.errors import BadInput
from tasks.registry.entries import load_registry, parse_cadence

REGISTRY = """\
defaults:
  source: x_api
  cadence: 1d
  training: {epochs: 1}
bots:
  - handles: [alice]
  - handles: [Carol, "@bob"]
    source: {bob: /archives/bob.zip}
    cadence: 12h
    priority: 5
    visibility: public
    training: {epochs: 2, seed: 7}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bots.yaml"
    path.write_text(text)
    return path


def test_bots_take_the_defaults_and_change_them(tmp_path: Path) -> None:
    alice, couple = load_registry(write(tmp_path, REGISTRY))
    assert (alice.bot.name, alice.sources, alice.cadence) == (
        "alice",
        {"alice": "x_api"},
        timedelta(days=1),
    )
    assert alice.spec.epochs == 1
    assert (couple.bot.name, couple.sources) == ("bob-carol", {"bob": "/archives/bob.zip"})
    assert (couple.priority, couple.visibility) == (5, "public")
    assert (couple.spec.epochs, couple.spec.seed) == (2, 7)


WRONG = """\
defaults:
  cadence: 1d
bots:
  - handles: [alice]
    cadance: 1d
  - handles: [../etc]
  - handles: [bob]
    cadence: daily
  - just words
  - handles: [carol]
    training: {speed: 3}
  - handles: [dave]
    training: {epochs: 0}
  - handles: [erin]
    source: {mallory: x_api}
  - handles: [frank]
  - handles: ["@Frank"]
  - handles: []
"""


def test_every_fault_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        load_registry(write(tmp_path, WRONG))
    said = str(caught.value).split("; ")
    assert [message.split(":")[1] for message in said] == [
        "5", "6", "8", "9", "10", "12", "14", "17", "18",
    ]  # fmt: skip
    assert "cadance" in said[0]
    assert "'daily' is not a cadence: write it as 12h, 1d or 2w" in said[2]
    assert "@frank is already in line 16" in said[7]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a list", "bots.yaml:1: a registry has"),
        ("defaults: {}", "there is no list `bots`"),
        ("bots: []\nmore: 1", "more is unknown"),
        ("defaults: 3\nbots: []", "`defaults` is not a mapping"),
        ("defaults: {handles: [a]}\nbots: []", "`handles` cannot be a default"),
        ("bots:\n  - {handles: [a]\n", "bots.yaml:3: the registry is not YAML"),
    ],
)
def test_what_is_no_registry_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"bots\.yaml") as caught:
        load_registry(write(tmp_path, text))
    assert said in str(caught.value)


def test_a_missing_registry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load_registry(tmp_path / "none.yaml")


def test_an_empty_registry_has_no_bots(tmp_path: Path) -> None:
    assert load_registry(write(tmp_path, "bots:\n")) == ()


def test_cadences() -> None:
    assert parse_cadence("2w") == timedelta(days=14)
    assert parse_cadence(timedelta(hours=1)) == timedelta(hours=1)
