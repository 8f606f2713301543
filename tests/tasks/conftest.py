"""Fixtures for the tests of tasks and rooms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.storage import Storage, open_storage
from tests.servers.s3 import KEYS, S3, running_s3


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with running_s3() as server:
        yield server


@pytest.fixture
def bucket(s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Storage:
    """A storage in the S3 server, of this test alone."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return open_storage(s3.url(tmp_path.name))
