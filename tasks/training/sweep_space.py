"""The settings that a sweep tries: a grid of values, or draws at random."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.core.errors import BadInput
from tasks.core.records import Spec

MOST_POINTS = 1_000
_FIELDS = frozenset(field.name for field in fields(Spec))


class Range(BaseModel):
    """Numbers to draw from: even, even in the logarithm, or whole ones with both ends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    distribution: Literal["uniform", "log_uniform", "int_uniform"]
    min: float
    max: float

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.min < self.max or (self.distribution == "log_uniform" and self.min <= 0):
            raise ValueError(f"min {self.min} and max {self.max} are no range to draw from")
        return self

    def draw(self, generator: random.Random) -> float:
        """One number."""
        if self.distribution == "int_uniform":
            return generator.randint(math.ceil(self.min), math.floor(self.max))
        if self.distribution == "uniform":
            return generator.uniform(self.min, self.max)
        return math.exp(generator.uniform(math.log(self.min), math.log(self.max)))


Values = Annotated[tuple[Any, ...], Field(min_length=1)]


class Space(BaseModel):
    """What is tried: `grid`, every combination of the values; or `random`, `trials` draws.

    parameters: by the name of a field of `Spec`, its values, or a range (for `random` only).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["grid", "random"] = Field("grid", description="Every combination, or draws")
    trials: int = Field(20, ge=1, le=MOST_POINTS, description="How many draws, for `random`")
    seed: int = Field(0, description="The same seed draws the same")
    parameters: dict[str, Range | Values] = Field(
        description="For each training setting its values, or a range to draw from"
    )

    @model_validator(mode="after")
    def _known(self) -> Space:
        if unknown := sorted(self.parameters.keys() - _FIELDS):
            known = ", ".join(sorted(_FIELDS))
            raise ValueError(f"{', '.join(unknown)} cannot be swept: choose among {known}")
        ranges = [name for name, given in self.parameters.items() if isinstance(given, Range)]
        if self.method == "grid" and ranges:
            raise ValueError(f"{', '.join(ranges)}: a grid needs values, not a range")
        return self

    def specs(self, common: Spec) -> list[Spec]:
        """The specs to try, each once, with `common` for what is not swept.

        Raises BadInput where a value is none that can be trained with.
        """
        points = self._grid() if self.method == "grid" else self._draws()
        found: dict[Spec, None] = {}
        for point in itertools.islice(points, MOST_POINTS + 1):
            found[_spec(common, point)] = None
        if len(found) > MOST_POINTS:
            raise BadInput(f"the sweep has over {MOST_POINTS} points: draw at random instead")
        return list(found)

    def _grid(self) -> Iterator[dict[str, Any]]:
        choices = [given for given in self.parameters.values() if isinstance(given, tuple)]
        for values in itertools.product(*choices):
            yield dict(zip(self.parameters, values, strict=True))

    def _draws(self) -> Iterator[dict[str, Any]]:
        generator = random.Random(self.seed)  # noqa: S311 - a sample, not a secret
        for _ in range(self.trials):
            yield {
                name: given.draw(generator) if isinstance(given, Range) else generator.choice(given)
                for name, given in self.parameters.items()
            }


def changes(spec: Spec, common: Spec) -> dict[str, Any]:
    """In what a spec differs from another, by field."""
    before = asdict(common)
    return {name: value for name, value in asdict(spec).items() if value != before[name]}


def _spec(common: Spec, point: dict[str, Any]) -> Spec:
    try:
        return replace(common, **point)
    except TypeError as error:
        raise BadInput(f"the sweep's point {point} is no training: {error}") from error
