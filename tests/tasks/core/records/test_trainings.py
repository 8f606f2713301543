from __future__ import annotations

import pytest

from tasks.core.errors import BadInput
from tasks.core.records import Spec


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"learning_rate": 0.0},
        {"schedule": "step"},
        {"precision": "fp16"},
        {"warmup": 1.0},
        {"weight_decay": -1.0},
        {"dropout": 1.0},
        {"mode": "half"},
        {"adapter_rank": 0},
    ],
)
def test_a_spec_that_cannot_be_trained_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        Spec(**wrong)
