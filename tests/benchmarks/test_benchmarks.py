"""The benchmarks of training and sampling run from end to end, with a base too tiny to tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import sampling, training
from tests.benchmarks.accounts import made_up, read_texts, write_texts
from tests.benchmarks.measured import PHASES, Measured
from tests.benchmarks.original_recipe import SEPARATOR, blocks, pasted
from tests.benchmarks.training_tables import LOSS, REACHING, WHOLE, targets

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_every_arm_is_measured_and_written_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)  # the arms are modules, started from the checkout
    texts, figures = tmp_path / "texts.jsonl", tmp_path / "figures.json"
    small = ["--tiny", "--posts", "60", "--accounts", "1", "--samples", "10", "--bots", "1"]
    assert training.main([*small, "--write-texts", str(texts)]) == 0
    assert training.main([*small, "--texts", str(texts), "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())
    arms = [row["arm"] for row in found["rows"]]
    assert arms == ["original", "Trainer bf16", "ours, cold", "ours, warm"]
    for row in found["rows"]:
        assert set(row["seconds"]) == set(PHASES)
        assert row["tokens"] > 0
        assert 0 < row["held_out"] < 10
    cold, warm = found["rows"][2:4]
    assert cold["seconds"]["start"] > 0 == warm["seconds"]["start"]
    assert "a whole bot, (a) over (c)" in capsys.readouterr().out


@pytest.mark.slow
def test_sampling_is_compared_with_generate(capsys: pytest.CaptureFixture[str]) -> None:
    assert sampling.main(["--tiny", "--posts", "40", "--samples", "5", "--rounds", "1"]) == 0
    assert "times generate" in capsys.readouterr().out


@pytest.mark.slow
def test_benchmarks_import_without_the_rooms_that_read_posts() -> None:
    """A GPU machine has torch and transformers, and neither Prefect nor Parquet."""
    gone = ("prefect", "pyarrow", "wandb", "tweepy", "pydantic_settings")
    absent = f"import sys; sys.modules.update(dict.fromkeys({gone}));"
    names = ("training", "original_recipe", "our_recipe", "sampling", "gpu")
    program = absent + "".join(f"import tests.benchmarks.{name};" for name in names)
    program += "import tasks.training.engine, tasks.training.export, tasks.evaluation.predictions;"
    program += "import tasks.training.trainer, tasks.generation.sampling, tests.tiny"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, cwd=ROOT)


def test_the_recipe_pastes_epochs_and_cuts_blocks() -> None:
    posts = [f"post {n}" for n in range(20)]
    text = pasted(posts, 4, seed=0)
    parts = [part for part in text.split(SEPARATOR) if part]
    epochs = [parts[n : n + 20] for n in range(0, 80, 20)]
    assert all(sorted(epoch) == sorted(posts) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4, "each epoch has an order of its own"
    cut = blocks(list(range(25)), 10)
    assert [block["input_ids"] for block in cut] == [list(range(10)), list(range(10, 20))]
    assert cut[0]["labels"] == cut[0]["input_ids"]


def test_texts_survive_their_file(tmp_path: Path) -> None:
    written = made_up(50)
    write_texts(tmp_path / "texts.jsonl", written)
    assert read_texts(tmp_path / "texts.jsonl") == written
    assert not set(written[0].train) & {text for a in written[1:] for text in a.train}
    assert not set(written[0].train) & set(written[0].held_out)


def test_targets_are_judged_by_the_worst_account() -> None:
    def row(arm: str, account: str, train: float, held_out: float, **more: object) -> Measured:
        seconds = dict.fromkeys(PHASES, 0.0) | {"train": train, "samples": 10.0}
        return Measured(arm, account, seconds, 1000, held_out, 1.0, **more)

    rows = [
        row("original", "a", 100.0, 4.0),
        row("ours, warm", "a", 20.0, 3.8, reached=[(2.0, 4.5), (5.0, 3.9), (9.0, 3.7)]),
        row("original", "b", 100.0, 4.0),
        row("ours, warm", "b", 40.0, 3.9, reached=[(10.0, 4.0)]),
        row("original", "c", 100.0, 4.0),
    ]
    by_name = {target.name: target for target in targets(rows, [])}
    assert by_name[REACHING].by_account == {"a": 20.0, "b": 10.0}
    assert by_name[REACHING].figure == 10.0
    assert by_name[WHOLE].figure == pytest.approx(110 / 50)
    assert by_name[LOSS].figure == pytest.approx(-0.1)
    rows[3].reached = []
    assert {t.name: t for t in targets(rows, [])}[REACHING].figure is None
