"""The `retrain` and `generate` commands against a real Prefect server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.core.settings import settings
from tests.sample_posts import write_table
from tests.tiny import make_tiny_base

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.usefixtures("prefect_server")
def test_retrain_then_generate(command: Command, tiny_base: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "posts.csv", posts=200)
    words = ("retrain", "alice", "--source", table, "--base", tiny_base, "--epochs", "1")
    code, out, err = command(*words, "--json")
    assert code == 0, err
    assert json.loads(out)[0]["outcome"] == "released"
    assert "tokens/s" in err, "progress is shown"

    code, out, _ = command(*words)
    assert code == 0
    assert "unchanged" in out

    code, out, _ = command("generate", "alice", "my cat", "-n", "3", "--seed", "1", "--json")
    posts = [json.loads(line)["text"] for line in out.splitlines()]
    assert code == 0
    assert len(posts) == 3
    assert all(post.startswith("my cat") for post in posts)
    assert command("generate", "alice", "my cat", "-n", "3", "--seed", "1")[0] == 0

    code, out, _ = command("status", "--json")
    row = json.loads(out)[0]
    assert (row["bot"], row["posts"], row["outcome"]) == ("alice", 200, "unchanged")
    assert isinstance(row["held_out_loss"], float)

    assert command(*words[:4], "--base", tmp_path / "gone")[0] == 2, "before anything is begun"
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/config.json").write_text("{}")
    code, _, _ = command(*words[:4], "--base", tmp_path / "empty", "--json")
    assert code == 1
    code, out, _ = command("status", "--json")
    failed = json.loads(out)[0]
    assert failed["outcome"] == "failed"
    assert failed["release"] == row["release"], "the earlier release is still in force"
    assert failed["held_out_loss"] == row["held_out_loss"]

    code, out, err = command("retrain", "alice", "nobody", "--base", tiny_base, "--epochs", "1")
    assert (code, out) == (2, "")
    assert "@nobody: no posts are stored" in err


@pytest.mark.usefixtures("prefect_server")
def test_an_adapter_is_released_and_writes_on_a_base_that_only_the_operator_has(
    command: Command,
    table: Path,
    tiny_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ("retrain", "quinn", "--source", table, "--base", tiny_base, "--mode", "adapter")
    code, out, err = command(*words, "--epochs", "1", "--json")
    assert code == 0, err
    folder = Path(json.loads(out)[0]["folder"])
    assert (folder / "adapter_model.safetensors").is_file()
    assert not (folder / "model.safetensors").exists()
    card = (folder / "README.md").read_text()
    assert "huggingtweets generate quinn" in card
    assert str(tiny_base) not in card + (folder / "manifest.json").read_text()
    code, out, err = command("generate", "quinn", "my cat", "-n", 2, "--base", tiny_base, "--json")
    assert code == 0, err
    posts = [json.loads(line)["text"] for line in out.splitlines()]
    assert len(posts) == 2
    assert all(post.startswith("my cat") for post in posts)
    other = make_tiny_base(tmp_path / "other", "llama")
    code, _, err = command("generate", "quinn", "--base", other.folder)
    assert code == 1
    assert "name its base with --base" in err
    monkeypatch.setenv("HUGGINGTWEETS_BASE", str(tiny_base))
    settings.cache_clear()
    assert command("generate", "quinn", "my cat")[0] == 0
