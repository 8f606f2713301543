"""What the fields of a dataclass may be, read from their annotations, which forms show as well."""

from __future__ import annotations

import math
import operator
from dataclasses import astuple, dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

Limit = Gt | Ge | Lt | Le
_HOLDS = {Gt: operator.gt, Ge: operator.ge, Lt: operator.lt, Le: operator.le}
_WORDS = {Gt: "above", Ge: "at least", Lt: "below", Le: "at most"}


@dataclass(frozen=True)
class Bounds:
    """What a field may be: one of the choices, or a finite number within these limits."""

    choices: tuple[str, ...]
    limits: tuple[Limit, ...]

    def allow(self, value: Any) -> bool:
        """Whether it may be this value."""
        if self.choices:
            return value in self.choices
        is_number = isinstance(value, int | float) and math.isfinite(value)
        return is_number and all(
            _HOLDS[type(limit)](value, _number(limit)) for limit in self.limits
        )

    def __str__(self) -> str:
        if self.choices:
            return f"{', '.join(self.choices[:-1])} or {self.choices[-1]}"
        words = [f"{_WORDS[type(limit)]} {_number(limit):,}" for limit in self.limits]
        return f"a number {' and '.join(words)}"


def _number(limit: Limit) -> Any:
    return astuple(limit)[0]


@cache
def bounds_of(shape: type) -> dict[str, Bounds]:
    """By name, the fields that are a `Literal`, or a number annotated with limits."""
    found = {}
    for name, hint in get_type_hints(shape, include_extras=True).items():
        hints = [hint, *get_args(hint)]
        numbers = [each for each in hints if get_origin(each) is Annotated]
        limits = numbers[0].__metadata__ if numbers else ()
        choices = get_args(hint) if get_origin(hint) is Literal else ()
        if choices or limits:
            found[name] = Bounds(choices, limits)
    return found
