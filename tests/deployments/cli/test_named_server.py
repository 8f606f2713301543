"""Each way in which Prefect's settings can name a server, as Prefect itself reads it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from prefect.settings import Settings
from prefect.settings.constants import DEFAULT_PROFILES_PATH

from deployments.cli.named_server import may_be_named

URL = "http://127.0.0.1:4299/api"
PROFILES = f'active = "own"\n[profiles.own]\nPREFECT_API_URL = "{URL}"\n'


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder and home of Prefect, and none of its variables but the home."""
    for name in [name for name in os.environ if name.upper().startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_names_a_server(empty: Path) -> None:
    (empty / ".env").write_text("HUGGINGTWEETS_BASE=embedded\n")
    (empty / "pyproject.toml").write_text('[project]\ndependencies = ["prefect"]\n')
    assert Settings().api.url is None
    assert not may_be_named()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PREFECT_API_URL", URL),
        ("prefect_api_url", URL),
        ("PREFECT_API", f'{{"url": "{URL}"}}'),
    ],
)
def test_a_variable_names_one(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert Settings().api.url == URL
    assert may_be_named()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (".env", f"PREFECT_API_URL={URL}\n"),
        (".env", f"prefect_api_url = '{URL}'\n"),
        (".env", "PREFECT_PROFILES_PATH=own.toml\n"),
        ("prefect.toml", f'[api]\nurl = "{URL}"\n'),
        ("prefect.toml", 'profiles_path = "own.toml"\n'),
        ("pyproject.toml", f'[tool.prefect.api]\nurl = "{URL}"\n'),
        ("pyproject.toml", f'tool = {{"prefect" = {{api = {{url = "{URL}"}}}}}}\n'),
        ("pyproject.toml", '[tool.prefect]\nprofiles_path = "own.toml"\n'),
        ("home/profiles.toml", PROFILES),
    ],
)
def test_a_file_names_one(empty: Path, file: str, content: str) -> None:
    (empty / "own.toml").write_text(PROFILES)
    (empty / "home").mkdir()
    (empty / file).write_text(content)
    assert Settings().api.url == URL
    assert may_be_named()


def test_a_variable_names_the_file(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty / "own.toml").write_text(PROFILES)
    monkeypatch.setenv("PREFECT_PROFILES_PATH", "own.toml")
    assert Settings().api.url == URL
    assert may_be_named()


def test_one_of_the_profiles_that_come_with_prefect_names_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_PROFILE", "local")
    assert may_be_named()
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(DEFAULT_PROFILES_PATH))  # by default, too
    assert Settings().api.url is not None


def test_profiles_lie_in_the_users_home_by_default(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_HOME")
    monkeypatch.setenv("HOME", str(empty))
    assert not may_be_named()
    (empty / ".prefect").mkdir()
    (empty / ".prefect" / "profiles.toml").write_text(PROFILES)
    assert may_be_named()


@pytest.mark.parametrize("content", [b"\xff", b"[tool", b"tool = 3"])
def test_prefect_is_asked_about_a_file_that_cannot_be_read(empty: Path, content: bytes) -> None:
    (empty / "pyproject.toml").write_bytes(content)
    assert may_be_named()
