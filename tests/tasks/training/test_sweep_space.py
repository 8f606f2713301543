from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from tasks.core.errors import BadInput
from tasks.core.records import Spec
from tasks.training.schedule import share
from tasks.training.sweep_space import Space, changes

EXAMPLES = Path(__file__).parents[3] / "deployments" / "sweeps"


def test_a_grid_is_every_combination_once() -> None:
    space = Space(parameters={"epochs": (1, 2), "seed": (0, 1, 1)})
    found = [changes(spec, Spec(epochs=9, seed=9)) for spec in space.specs(Spec(epochs=9, seed=9))]
    assert found == [{"epochs": e, "seed": s} for e in (1, 2) for s in (0, 1)]


def test_draws_lie_in_their_ranges_and_repeat_by_their_seed() -> None:
    ranges = {
        "learning_rate": {"distribution": "log_uniform", "min": 1e-5, "max": 1e-2},
        "epochs": {"distribution": "int_uniform", "min": 1, "max": 3},
        "warmup": {"distribution": "uniform", "min": 0.0, "max": 0.5},
        "schedule": ["linear", "constant"],
    }
    space = Space.model_validate({"method": "random", "trials": 200, "parameters": ranges})
    specs = space.specs(Spec())
    assert specs == space.specs(Spec())
    assert len(specs) == 200
    rates = [spec.learning_rate for spec in specs]
    assert all(1e-5 <= rate <= 1e-2 for rate in rates)
    assert 60 < sum(rate < 10**-3.5 for rate in rates) < 140, "half lie below the middle decade"
    assert {spec.epochs for spec in specs} == {1, 2, 3}
    assert {spec.schedule for spec in specs} == {"linear", "constant"}


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_can_be_swept(example: Path) -> None:
    specs = Space.model_validate(yaml.safe_load(example.read_text())).specs(Spec())
    assert len(specs) > 1
    assert all(changes(spec, Spec()) for spec in specs[1:])


def test_too_many_points_and_wrong_values_are_refused() -> None:
    with pytest.raises(BadInput, match="over 1000 points"):
        Space(parameters={"seed": tuple(range(40)), "epochs": tuple(range(1, 41))}).specs(Spec())
    with pytest.raises(BadInput, match="schedule"):
        Space(parameters={"schedule": ("steep",)}).specs(Spec())
    with pytest.raises(BadInput, match="epochs is 'many': use a number"):
        Space(parameters={"epochs": ("many",)}).specs(Spec())
    with pytest.raises(ValidationError):
        Space(parameters={"handle": ("alice",)})


def test_a_constant_rate_rises_and_stays() -> None:
    shares = [share(step, 10, 0.2, "constant") for step in range(10)]
    assert shares == [0.5, *[1.0] * 9]
