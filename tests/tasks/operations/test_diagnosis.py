"""What `doctor` looks at."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from tasks.core.settings import Settings
from tasks.operations.diagnosis import examine
from tests.servers.community_archive import running_community_archive


def test_the_community_archive_and_its_key_are_looked_at(tmp_path: Path) -> None:
    with running_community_archive() as archive:
        settings = Settings(
            storage=str(tmp_path / "storage"),
            cache=tmp_path / "cache",
            community_archive_key=SecretStr("a-key"),
            community_archive_url=archive.url,
            hub_endpoint=archive.url,
            bluesky_url=archive.url,
        )
        found = {each.name: each for each in examine(settings, None)}
    key = found["HUGGINGTWEETS_COMMUNITY_ARCHIVE_KEY"]
    assert (key.state, key.seen) == ("ok", "set")
    assert found["the Community Archive"].state == "ok"
    assert "a-key" not in str(found)


@pytest.mark.parametrize("storage", ["x" * 300, "~nobody-of-this-name/x", "s4://bots", ""])
def test_a_storage_that_cannot_be_one_is_a_finding(storage: str, tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9"
    urls = dict.fromkeys(("hub_endpoint", "bluesky_url", "community_archive_url"), nobody)
    settings = Settings(storage=storage, cache=tmp_path / "cache", **urls)
    found = {each.name: each for each in examine(settings, None)}
    assert found["storage"].state == "bad"
    assert found["storage"].remedy == "correct HUGGINGTWEETS_STORAGE"
    assert found["disk of the cache"].state in ("ok", "bad")
