"""The fonts: which are used, in which order, and how they come without root."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import pytest

from tasks.core.settings import settings
from tasks.publishing.fonts import PACKAGES, available_fonts, fetch_fonts

# An apt-get that acts like Debian's: it needs lists, and makes the package's file here.
APT = """#!/bin/sh
echo "$*" >> "$LOG"
lists=$(echo "$*" | sed -n 's/.*Dir::State::Lists=\\([^ ]*\\).*/\\1/p')
case "$*" in
  *update) [ -n "$BROKEN" ] && { echo "Ign" ; echo "E: no network" >&2; exit 100; }
    touch "$lists/have" ;;
  *) [ -f "$lists/have" ] || [ -n "$LISTS" ] || { echo "E: Unable to locate" >&2; exit 100; }
    touch package.deb ;;
esac
"""
# A dpkg-deb that unpacks what the real packages have, in small.
DPKG = """#!/bin/sh
mkdir -p "$3/usr/share/fonts"
cd "$3/usr/share/fonts"
for name in $(cat "$CONTENT"); do echo "$name" > "$name"; done
"""
CONTENT = [
    "NotoColorEmoji.ttf",
    "NotoSans-Regular.ttf",
    "NotoSans-Bold.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJK-Bold.ttc",
    "NotoSansDisplay-Regular.ttf",
    "NotoSansSymbols2-Regular.ttf",
    "NotoSansTifinagh-Regular.ttf",
    "NotoSansTifinaghSIL-Regular.ttf",
    "NotoSerifArmenian-Bold.ttf",
    "NotoSerifTibetan-Regular.ttf",
    "NotoSerifArabic-Regular.ttf",
]
KEPT = [
    "NotoColorEmoji.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansArabic-Regular.ttf",
    "NotoSansSymbols2-Regular.ttf",
    "NotoSansTifinagh-Regular.ttf",
    "NotoSerifTibetan-Regular.ttf",
]


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of an apt-get on the path; it has package lists where LISTS is set."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in (("apt-get", APT), ("dpkg-deb", DPKG)):
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    (tmp_path / "content").write_text("\n".join(CONTENT))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CONTENT", str(tmp_path / "content"))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def names(folder: Path, system: Path) -> list[str]:
    return [path.name for path in available_fonts(folder, system)][1:]


def test_one_regular_file_a_script_comes_into_the_cache(tmp_path, apt):
    said: list[str] = []
    fetch_fonts(tmp_path / "fonts", said.append)
    assert [line.split()[2] for line in said] == list(PACKAGES)
    assert names(tmp_path / "fonts", tmp_path / "none") == KEPT
    # No lists at first: they are fetched once, into a folder that needs no root.
    assert apt.read_text().count("update") == 1


def test_with_lists_there_nothing_is_updated(tmp_path, apt, monkeypatch):
    monkeypatch.setenv("LISTS", "1")
    fetch_fonts(tmp_path / "fonts", lambda _: None)
    assert "update" not in apt.read_text()


def test_the_second_time_nothing_happens(tmp_path, apt):
    fetch_fonts(tmp_path / "fonts", lambda _: None)
    apt.unlink()
    said: list[str] = []
    fetch_fonts(tmp_path / "fonts", said.append)
    assert said == []
    assert not apt.exists()


def test_a_failing_apt_is_said_in_one_line(tmp_path, apt, monkeypatch):
    monkeypatch.setenv("BROKEN", "1")
    said: list[str] = []
    fetch_fonts(tmp_path / "fonts", said.append)
    assert len(said) == 2
    assert said[1].endswith("drawing without it: E: no network")
    assert names(tmp_path / "fonts", tmp_path / "none") == []


def test_a_machine_without_apt_uses_its_fonts(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    fetch_fonts(tmp_path / "fonts", said.append)
    assert said == ["fonts: no apt-get, using the fonts of the system"]


def test_the_systems_fonts_fill_the_gaps(tmp_path):
    cache, system = tmp_path / "cache", tmp_path / "system" / "truetype"
    for folder, name in (
        (cache, "NotoColorEmoji.ttf"),
        (system, "NotoColorEmoji.ttf"),
        (system, "NotoSansThai-Regular.ttf"),
        (system, "DejaVuSans.ttf"),
        (system, "Other-Regular.ttf"),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    found = available_fonts(cache, tmp_path / "system")
    assert found[0].name == "NotoSans[wdth,wght].ttf"
    assert found[0].is_file()
    assert found[1] == cache / "NotoColorEmoji.ttf"
    assert [path.name for path in found[2:]] == ["NotoSansThai-Regular.ttf", "DejaVuSans.ttf"]


def test_the_command_fills_the_cache_of_the_settings(tmp_path, apt, monkeypatch, capsys):
    monkeypatch.setenv("HUGGINGTWEETS_CACHE", str(tmp_path / "cache"))
    settings.cache_clear()
    runpy.run_module("deployments.fonts", run_name="__main__")
    assert (tmp_path / "cache" / "fonts" / "NotoColorEmoji.ttf").is_file()
    assert "fonts-noto-core" in capsys.readouterr().err
