"""What the tests of publishing start from."""

from __future__ import annotations

import json

import pytest

from tasks.publishing.release_contents import ReleaseContents
from tasks.storage import Storage
from tests.tasks.publishing.examples import CHECKPOINT, FINGERPRINT, MODEL, make_contents


@pytest.fixture
def contents() -> ReleaseContents:
    return make_contents()


@pytest.fixture
def checkpoint(storage: Storage) -> str:
    """The key of a checkpoint folder with the files of a model, none of them real."""
    with storage.new_folder(CHECKPOINT) as folder:
        for name, data in MODEL.items():
            (folder / name).write_bytes(data)
        (folder / "manifest.json").write_text(json.dumps({"fingerprint": FINGERPRINT}))
    return CHECKPOINT
