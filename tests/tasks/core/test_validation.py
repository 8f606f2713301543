from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.core.validation import in_words


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: int = Field(0, le=9)


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: Inner
    text: str = ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "inner: is missing"),
        ({"inner": {}, "txt": 1}, "txt: is unknown: choose among inner, text"),
        ({"inner": {"numbr": 1}}, "inner.numbr: is unknown"),
        ({"inner": {"number": 10}}, "inner.number: Input should be less than or equal to 9"),
    ],
)
def test_a_fault_is_said_in_words(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Outer.model_validate(given)
    assert [in_words(each, Outer.model_fields) for each in raised.value.errors()] == [said]
