"""A sweep ranks settings on stored posts, and leaves no weights behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.storage import Storage
from tests.sample_posts import write_table

pytestmark = pytest.mark.usefixtures("prefect_server")
SPACE = """
method: grid
parameters:
  learning_rate: [1.0e-6, 1.0e-2]
  epochs: [1]
"""


@pytest.fixture
def stored(tmp_path: Path, command: Callable[..., tuple[int, str, str]]) -> list[str]:
    names = ["alma", "boris"]
    for seed, name in enumerate(names):
        table = write_table(tmp_path / f"{name}.csv", posts=200, seed=seed)
        assert command("import", table, "--handle", name)[0] == 0
    return names


def test_the_better_rate_comes_first(
    stored: list[str],
    tmp_path: Path,
    tiny_base: Path,
    storage: Storage,
    command: Callable[..., tuple[int, str, str]],
) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(SPACE)
    code, out, err = command("sweep", *stored, "--space", space, "--base", tiny_base, "--json")
    assert code == 0, err
    rows = json.loads(out)
    assert [row["learning_rate"] for row in rows] == [1e-2, 1e-6]
    best = rows[0]
    assert best["held-out loss"] == pytest.approx((best["@alma"] + best["@boris"]) / 2)
    assert best["minus base"] < rows[1]["minus base"] <= 0
    (kept,) = storage.keys("sweeps")
    assert storage.read_json(kept) == rows
    assert storage.folders("checkpoints") == []
    assert any((Path(storage.path) / "wandb" / "sweeps").rglob("*.wandb"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("parameters: {speed: [1]}", "speed cannot be swept"),
        ("parameters: {epochs: {distribution: uniform, min: 1, max: 2}}", "a grid needs values"),
        ("method: random\nparameters: {epochs: {distribution: uniform, min: 3, max: 2}}", "range"),
        ("parameters: {epochs: []}", "epochs"),
        ("[", "is not YAML that can be used"),
    ],
)
def test_a_space_that_means_nothing_is_refused(
    text: str, said: str, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(text)
    code, _, err = command("sweep", "alma", "--space", space)
    assert code == 2
    assert said in err
    assert "Traceback" not in err
