from __future__ import annotations

import importlib
import pkgutil

import pytest

import tasks
from tasks.core.moved import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_is_the_module_that_took_its_place(old: str):
    assert importlib.import_module(old) is importlib.import_module(MOVED[old])


def test_a_result_that_an_older_version_stored_is_read():
    from prefect.serializers import JSONSerializer

    stored = (
        b'{"__class__": "tasks.records.files.FileRef", '
        b'"data": {"uri": "a", "sha256": "b", "rows": 3}}'
    )
    record = JSONSerializer().loads(stored)
    assert type(record).__module__ == "tasks.core.records.files"
    assert record.rows == 3


def test_no_old_name_hides_a_module_of_today():
    today = {module.name for module in pkgutil.walk_packages(tasks.__path__, "tasks.")}
    assert not today & set(MOVED)
