from __future__ import annotations

import csv
from pathlib import Path

from deployments.samples import one_liners, sample_tables


def test_a_fortune_file_gives_a_line_an_entry() -> None:
    fortunes = "%% $Head$\n%\nFirst\n\tgoes on.\n%\n\n%\nSecond.\n%\n"
    assert one_liners(fortunes) == ["First goes on.", "Second."]


def test_the_samples_are_fetched_once(tmp_path: Path) -> None:
    tables = sample_tables(tmp_path)
    before = {name: table.stat().st_mtime_ns for name, table in tables.items()}
    rows = {name: list(csv.DictReader(table.open())) for name, table in tables.items()}
    assert {name: len(posts) for name, posts in rows.items()} == {"zippy": 548, "murphy": 776}
    assert all(row["text"].strip() and row["id"] for posts in rows.values() for row in posts)
    again = sample_tables(tmp_path)
    assert {name: table.stat().st_mtime_ns for name, table in again.items()} == before
