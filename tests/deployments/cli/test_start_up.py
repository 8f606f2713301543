"""What a command loads before it does its work: wrong input and reading need nothing heavy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sample_posts import write_table

HEAVY = ("prefect", "torch", "transformers", "peft", "wandb", "tweepy", "atproto", "fastapi")
# What wrong input is refused without, beside these.
UNREAD = ("jinja2", "huggingface_hub", "pytakumi", "psutil")
# Runs each command line of standard input in this one process, and reports what is loaded then.
RUNNER = """
import contextlib, io, json, sys
from deployments.cli.app import main
for words in json.load(sys.stdin):
    sys.argv = ["huggingtweets", *words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code
    loaded = sorted({name.partition(".")[0] for name in sys.modules})
    print(json.dumps([code, out.getvalue(), err.getvalue(), loaded]))
"""


def run(folder: Path, commands: list[list[str]]) -> list[tuple[int, str, str, set[str]]]:
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(commands),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    answers: list[Any] = [json.loads(line) for line in done.stdout.splitlines()]
    return [(code, out, err, set(loaded)) for code, out, err, loaded in answers]


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A folder whose storage holds posts of `congressedits`, and whose registry is empty."""
    write_table(tmp_path / "posts.csv", posts=300)
    (tmp_path / "bots.yaml").write_text("bots: []\n")
    [(code, _, err, _)] = run(
        tmp_path, [["import", "posts.csv", "--handle", "congressedits", "-q"]]
    )
    assert code == 0, err
    return tmp_path


WRONG = [
    (["generat"], "Did you mean 'generate'"),
    (["generate"], "Missing argument 'BOT'"),
    (["curate", "congressedit"], "did you mean congressedits?"),
    (["curate", "nobody"], "huggingtweets import FILE --handle nobody"),
    (["retrain", "congressedit", "--base", "embedded"], "did you mean congressedits?"),
    (["retrain", "congressedits", "--base", "embeded"], "did you mean embedded?"),
    (["retrain", "congressedits", "--base", "./gone"], "there is no such folder"),
    (["retrain", "congressedits", "--base", ""], "--base '': there is no such folder"),
    (["retrain", "congressedits", "--base", "a b"], "there is no such folder"),
    (["retrain", "congressedits", "--base", "posts.csv"], "there is no such folder"),
    (["retrain", "congressedits", "--base", "."], "there is no config.json in this folder"),
    (["retrain", "congressedits", "--source", ""], "names no file and no service"),
    (["retrain", "congressedits", "--source", "congressedits="], "names no file and no service"),
    (["retrain", "congressedits", "--seed", "9" * 30], "'--seed': use 9223372036854775807 or less"),
    (["retrain", "congressedits", "--language", "zz"], "'zz': is no language"),
    (["curate", "congressedits", "--language", ""], "'': is no language"),
    (["web", "--host", "999.1.1.1"], "--host 999.1.1.1: this name or address is not known"),
    (["serve", "--port", "4299", "--web-port", "4299"], "--port and --web-port are both 4299"),
    (["retrain", "congressedits", "--source", "post.csv"], "posts.csv?"),
    (["retrain", "congressedits", "--source", "bluesky"], "not a Bluesky handle"),
    (["retrain", "congressedits", "--source", "bots.yaml"], "not posts of a known kind"),
    (["retrain", "a.example.com", "--source", "x_api"], "use bluesky"),
    (["retrain", "congressedits", "--push", "--base", "embedded"], "HUGGINGTWEETS_HUB_TOKEN"),
    (["retrain", "congressedits", "--learning-rate", "nan"], "learning_rate"),
    (["retrain", "congressedits", "--epochs", "0"], "'--epochs': use 1 or more (see"),
    (["generate", "congressedits", "--seed", "x"], "'--seed': use a whole number (see"),
    (["retrain", "a-b-c-d"], "1 to 3 handles"),
    (["generate", "congressedits"], "huggingtweets retrain congressedits"),
    (["generate", "congressedits", "--temperature", "nan"], "temperature"),
    (["generate", "congressedits", "--json", "--null"], "choose one"),
    (["chat", "congressedits"], "huggingtweets retrain congressedits"),
    (["nightly", "--night", "tomorrow"], "is not the date of a night"),
    (["nightly", "--night", "2026-02-30"], "is not the date of a night"),
    (["nightly", "--registry", "bot.yaml"], "bot.yaml"),
    (["backfill"], "no accounts"),
    (["backfill", "--file", "gone.txt"], "gone.txt"),
    (["backfill", "congressedits", "--source", "twitter"], "choose"),
    (["sweep", "congressedits", "--space", "gone.yaml"], "gone.yaml"),
    (["import", "gone.zip"], "gone.zip"),
    (["status", "--quiet", "--verbose"], "choose one"),
    (["status", "--storage", "posts.csv"], "a part of the path is a file"),
    (["retrain", "a", "--source", "posts.csv", "--storage", "posts.csv/x"], "is a file"),
    (["curate", "congressedits", "--storage", "s4://bots"], "such as s3://bucket/path"),
    (["generate", "congressedits", "--storage", "x" * 300], "the path is too long"),
    (["infra", "apply", "--docker", "--kubernetes"], "choose one"),
]


def test_wrong_input_is_one_line_before_anything_heavy_is_loaded(stored: Path) -> None:
    answers = run(stored, [words for words, _ in WRONG])
    for (words, said), (code, out, err, loaded) in zip(WRONG, answers, strict=True):
        assert (code, out, len(err.splitlines())) == (2, "", 1), (words, code, out, err)
        assert said in err, (words, err)
        assert not loaded.intersection(HEAVY + UNREAD), words


def test_what_only_reads_and_what_has_nothing_to_do_needs_no_prefect_and_no_torch(
    stored: Path,
) -> None:
    commands = [["curate", "congressedits"], ["status"], ["nightly"], ["tidy"], ["--help"]]
    for words, (code, _, err, loaded) in zip(commands, run(stored, commands), strict=True):
        assert code == 0, err
        assert not loaded.intersection(HEAVY), words


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("KEEP_RELEASES", "many", "valid integer"), ("LANGUAGES", "en", "lists are JSON")],
)
def test_a_setting_that_cannot_be_used_is_named(
    name: str, value: str, said: str, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"HUGGINGTWEETS_{name}", value)
    code, _, err = command("status")
    assert (code, len(err.splitlines())) == (2, 1)
    assert said in err
