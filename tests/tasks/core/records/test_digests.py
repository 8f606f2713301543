from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.core.names import Bot
from tasks.core.records import Spec, digest


def test_the_digest_follows_content_alone() -> None:
    assert digest(Bot.parse("b-a"), {"x": 1, "y": 2}) == digest(Bot.parse("a-b"), {"y": 2, "x": 1})
    assert digest(Spec()) != digest(Spec(seed=1))
    assert digest(datetime(2026, 1, 1, tzinfo=UTC)) != digest(datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(TypeError):
        digest(object())
