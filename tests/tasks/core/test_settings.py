from __future__ import annotations

import platform
from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.core.settings import Settings


def test_an_env_file_of_an_older_version_is_read(tmp_path: Path) -> None:
    Path(".env").write_text("HUGGINGTWEETS_AT_ONCE=4\nHUGGINGTWEETS_TRAININGS=2\n")
    assert Settings().trainings == 2


def test_the_machine_is_called_as_its_host_unless_it_is_given_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Settings().machine == platform.node()
    monkeypatch.setenv("HUGGINGTWEETS_MACHINE", "")
    assert Settings().machine == platform.node()
    monkeypatch.setenv("HUGGINGTWEETS_MACHINE", "lab-1")
    assert Settings().machine == "lab-1"
    monkeypatch.setenv("HUGGINGTWEETS_MACHINE", "a/b")
    with pytest.raises(ValidationError):
        Settings()
