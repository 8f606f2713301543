"""An adapter's release: loaded as its card says, by `generate`, and as a rival of another base."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.requests import BotRequest
from tasks.core.records import Spec, Status
from tasks.storage import Storage
from tests.flows.running import run, run_alone, use_hub
from tests.servers.hub import Hub, running_hub
from tests.tiny import make_tiny_base

pytestmark = pytest.mark.usefixtures("prefect_server")
SPEC = Spec(epochs=3, precision="fp32", mode="adapter", adapter_rank=4, learning_rate=2e-2)
CALL = "generator("


def serve_base(hub: Hub, folder: Path) -> None:
    make_tiny_base(folder, positions=64)
    hub.create("me/base", "public")
    files = {each.name: each.read_bytes() for each in folder.iterdir()}
    hub.add_commit("me/base", "weights", files)


def snippet_of(card: str) -> str:
    """The program that the card shows."""
    (shown,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    return shown


def test_an_adapter_is_released_loaded_and_compared(
    table: Path,
    tiny_base: Path,
    tmp_path: Path,
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[..., tuple[int, str, str]],
) -> None:
    request = BotRequest(name="rosalind", sources={"rosalind": str(table)})
    with running_hub() as hub:
        serve_base(hub, tmp_path / "base")
        monkeypatch.setenv("HUGGINGTWEETS_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HUGGINGTWEETS_GGUF", "q8_0")
        use_hub(hub, monkeypatch)
        _, outcomes = run([request], Path("me/base"), push=True, training=SPEC)
        assert outcomes["rosalind"].status is Status.RELEASED, outcomes["rosalind"].reason
        held = hub.repositories["me/rosalind"].head.files
        assert not {"model.safetensors", "config.json"} & held.keys()
        assert {"rosalind-q8_0.gguf", "Modelfile"} <= held.keys()  # merged into the base
        card = held["README.md"].decode()
        assert "pip install peft" in card
        assert json.loads(held["adapter_config.json"])["base_model_name_or_path"] == "me/base"

        pytest.importorskip("peft", reason="the card's program needs peft")
        program = snippet_of(card)
        assert CALL in program
        told = f"posts = {CALL}".join(program.rsplit(CALL, 1))
        told += "print(len(posts), len({each['generated_text'] for each in posts}))"
        assert run_alone(hub, told) == "5 5\n", "five posts, drawn and not always the same"

        # A later commit of the base, even another model, does not take the bot its own.
        hub.add_commit("me/base", "another", {"README.md": b"nothing is left here"})
        code, out, err = command("generate", "rosalind", "my cat", "-n", "3", "--json")
        assert code == 0, err
        posts = [json.loads(line)["text"] for line in out.splitlines()]
        assert len(posts) == 3
        assert all(post.startswith("my cat") for post in posts)

        _, outcomes = run([request], tiny_base, training=Spec(epochs=1, precision="fp32"))
        evaluation = outcomes["rosalind"].evaluation
        assert evaluation is not None
        assert evaluation.released_loss is not None, "by the adapter's own base"
        assert evaluation.released_loss < evaluation.base_loss
