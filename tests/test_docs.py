"""The documentation says what the code does, where that can be checked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from deployments.cli.app import app
from deployments.cli.json_output import schemas
from tasks.core.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md")), ROOT / "infra" / "README.md"]
SETTING = re.compile(r"^\| `([A-Z_]+)` \| (.+?) \| (.+) \|$", re.MULTILINE)


def documented() -> dict[str, str]:
    """The default of each setting as docs/settings.md has it, by the setting's name."""
    rows = SETTING.findall((ROOT / "docs" / "settings.md").read_text())
    assert len(rows) == len({name for name, _, _ in rows}), "a setting is listed twice"
    return {name.lower(): default for name, default, _ in rows}


def test_every_setting_is_documented_and_no_other() -> None:
    assert set(documented()) == set(Settings.model_fields)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_default_is_what_the_documentation_says(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in ("HUGGINGTWEETS_STORAGE", "HUGGINGTWEETS_AVATARS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(each, raising=False)  # the tests' own
    default = getattr(Settings(), name)
    text = documented()[name]
    if text == "–":
        assert default is None
    elif not text.startswith("`"):
        assert Settings.model_fields[name].default_factory is not None, "say it as it is set"
    else:
        value = text.strip("`").replace("~", str(Path.home()))
        monkeypatch.setenv(f"HUGGINGTWEETS_{name.upper()}", value)
        assert getattr(Settings(), name) == default


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        file, _, anchor = target.partition("#")
        if "://" in file:
            continue
        found = (page.parent / file) if file else page
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    named = re.findall(r"(?:`|\$ |/)huggingtweets ([a-z]+)", page.read_text())
    assert set(named) <= known


def test_the_readme_is_one_screen_or_two() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_the_schemas_of_json_output_are_those_of_the_code() -> None:
    written = json.loads((ROOT / "docs" / "json-output.json").read_text())
    assert written == schemas(), "python -m deployments.cli.json_output > docs/json-output.json"


def test_every_command_has_a_line_in_the_documentation() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    named = set(re.findall(r"^\| `([a-z]+)", page, re.MULTILINE))
    assert named == set(get_command(app).commands)  # type: ignore[attr-defined]
