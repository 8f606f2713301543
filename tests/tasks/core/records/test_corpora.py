from __future__ import annotations

import pytest

from tasks.core.records import Counts


def test_counts_must_add_up() -> None:
    assert Counts(3, 1, {"retweet": 2}).kept == 1
    with pytest.raises(AssertionError):
        Counts(3, 1, {"retweet": 1})
