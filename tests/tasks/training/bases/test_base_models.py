"""Bases from the Hub, by the real client, and what cannot be a base."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tasks.core.errors import BaseUnavailable, NetworkTrouble
from tasks.core.records import Base, Spec
from tasks.core.settings import settings
from tasks.training.bases.base_models import refuse_unreachable, resolve_base
from tasks.training.engine import Engine
from tests.servers.hub import TOKEN, Fault, Hub, running_hub
from tests.tiny import make_tiny_base

NAME = "somebody/tiny"
CARD = "---\nlicense: mit\n---\n# Tiny\n"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("HUGGINGTWEETS_HUB_TOKEN", TOKEN)
    settings.cache_clear()
    with running_hub() as hub:
        yield hub


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_base_of_the_hub_is_fetched_once_without_what_could_run(hub: Hub, tmp_path: Path) -> None:
    make_tiny_base(tmp_path / "made")
    files = files_of(tmp_path / "made")
    hub.create(NAME)
    more = {"README.md": CARD.encode(), "pytorch_model.bin": b"x", "modeling.py": b"x"}
    commit = hub.add_commit(NAME, "all", {**files, **more, "onnx/config.json": b"{}"})

    base = resolve_base(NAME, tmp_path / "cache", endpoint=hub.url)
    assert (base.id, base.origin, base.revision) == (NAME, NAME, commit.oid)
    assert base.license == "mit"
    folder = Path(base.folder)
    assert folder.is_relative_to(tmp_path / "cache")
    assert {path.name for path in folder.iterdir()} == {*files, "README.md"}
    assert Engine(base).model.config.model_type == "gpt2"

    hub.requests.clear()
    assert resolve_base(NAME, tmp_path / "cache", endpoint=hub.url) == base
    assert "resolve" not in hub.requests, "nothing is downloaded twice"


@pytest.mark.parametrize("card", [None, "no metadata", "---\n- odd\n---\n", "---\na: [\n---\n"])
def test_a_base_without_a_readable_licence_is_still_a_base(
    hub: Hub, tmp_path: Path, card: str | None
) -> None:
    hub.create(NAME)
    files = {"model.safetensors": b"x", **({"README.md": card.encode()} if card else {})}
    hub.add_commit(NAME, "all", files)
    assert resolve_base(NAME, tmp_path, endpoint=hub.url).license is None


def test_what_the_hub_does_not_have_is_told(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(BaseUnavailable, match=r"somebody/unknown: .*check its name"):
        resolve_base("somebody/unknown", tmp_path, endpoint=hub.url)
    with pytest.raises(BaseUnavailable, match="cannot be a name"):
        resolve_base("some--body/x", tmp_path, endpoint=hub.url)
    hub.create(NAME)
    with pytest.raises(BaseUnavailable, match="no safetensors"):
        resolve_base(NAME, tmp_path, endpoint=hub.url)


def test_trouble_on_the_way_is_worth_another_try(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(NetworkTrouble, match="cannot be reached"):
        resolve_base(NAME, tmp_path, endpoint="http://127.0.0.1:9")
    hub.create(NAME)
    hub.faults["info"] = [Fault(503)] * 20
    with pytest.raises(NetworkTrouble, match="try later"):
        resolve_base(NAME, tmp_path, endpoint=hub.url)


def test_a_base_is_asked_for_before_anything_waits_for_it(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(BaseUnavailable, match=r"somebody/unknown: .*check its name"):
        refuse_unreachable("somebody/unknown", tmp_path, endpoint=hub.url)
    with pytest.raises(BaseUnavailable, match="cannot be a name"):
        refuse_unreachable("some--body/x", tmp_path, endpoint=hub.url)
    nowhere = "http://127.0.0.1:9"
    with pytest.raises(NetworkTrouble, match=f"reached at {nowhere}, and .* is not in the cache"):
        refuse_unreachable(NAME, tmp_path, endpoint=nowhere)
    hub.create(NAME)
    hub.add_commit(NAME, "all", {"model.safetensors": b"x", "config.json": b"{}"})
    refuse_unreachable(NAME, tmp_path, endpoint=hub.url)
    resolve_base(NAME, tmp_path, endpoint=hub.url)
    for there in (NAME, "embedded", str(tmp_path)):
        refuse_unreachable(there, tmp_path, endpoint=nowhere)


def test_a_folder_is_known_without_loading_torch(tmp_path: Path) -> None:
    make_tiny_base(tmp_path / "base")
    code = (
        "import sys; from pathlib import Path;"
        "from tasks.training.bases.base_models import resolve_base;"
        f"resolve_base({str(tmp_path / 'base')!r}, Path('unused'));"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    root = Path(__file__).parents[4]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def loaded(folder: Path) -> Engine:
    return Engine(Base(str(folder), str(folder), "1", "made in a test"))


def test_weights_that_are_broken_missing_or_no_numbers_are_refused(tmp_path: Path) -> None:
    make_tiny_base(tmp_path)
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    name = next(name for name in weights if "mlp" in name)

    save_file({n: w for n, w in weights.items() if n != name}, file, {"format": "pt"})
    with pytest.raises(BaseUnavailable, match="weights are missing"):
        loaded(tmp_path)

    save_file({**weights, name: torch.zeros(3, 5)}, file, {"format": "pt"})
    with pytest.raises(BaseUnavailable, match="no causal language model"):
        loaded(tmp_path)

    save_file({n: w.fill_(math.nan) for n, w in weights.items()}, file, {"format": "pt"})
    with pytest.raises(BaseUnavailable, match="loss is nan"):
        loaded(tmp_path).base_loss(["some text"], Spec())

    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(BaseUnavailable, match="no causal language model"):
        loaded(tmp_path)


@pytest.mark.parametrize(
    "index",
    [
        b'{"weight_map": {"w": "pytorch_model.bin"}}',
        b'{"weight_map": {"w": "../elsewhere.safetensors"}}',
        b'{"weight_map": {"w": "gone.safetensors"}}',
        b'{"weight_map": {"w": ["list"]}}',
        b'{"weight_map": []}',
        b"[" * 200_000,
        b"\xff",
    ],
)
def test_an_index_of_anything_but_safetensors_is_refused_by_name(
    index: bytes, tmp_path: Path
) -> None:
    make_tiny_base(tmp_path / "base")
    (tmp_path / "base" / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    (tmp_path / "elsewhere.safetensors").write_bytes(b"")
    (tmp_path / "base" / "model.safetensors.index.json").write_bytes(index)
    with pytest.raises(BaseUnavailable, match=r"base .*(index|bin|safetensors)"):
        resolve_base(str(tmp_path / "base"), tmp_path)


def test_an_adapter_is_no_base(tmp_path: Path) -> None:
    make_tiny_base(tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "somebody/else"}')
    with pytest.raises(BaseUnavailable, match="this is an adapter"):
        resolve_base(str(tmp_path), tmp_path)


@pytest.mark.parametrize("index", ["pytorch_model.bin", "../x.safetensors"])
def test_a_base_of_the_hub_is_held_to_the_same(hub: Hub, tmp_path: Path, index: str) -> None:
    hub.create(NAME)
    named = f'{{"weight_map": {{"w": "{index}"}}}}'.encode()
    files = {"model.safetensors": b"x", "model.safetensors.index.json": named}
    hub.add_commit(NAME, "all", files)
    with pytest.raises(BaseUnavailable, match="no safetensors file in this folder"):
        resolve_base(NAME, tmp_path, endpoint=hub.url)


@pytest.mark.parametrize(
    "name", ["vocab.json", "merges.txt", "added_tokens.json", "special_tokens_map.json", "t.model"]
)
def test_a_folder_is_known_by_all_that_it_is_computed_from(name: str, tmp_path: Path) -> None:
    make_tiny_base(tmp_path)
    (tmp_path / name).write_text("{}")
    before = resolve_base(str(tmp_path), tmp_path).revision
    (tmp_path / name).write_text('{"other": 1}')
    assert resolve_base(str(tmp_path), tmp_path).revision != before
    (tmp_path / "notes.txt").write_text("changes nothing")
    after = resolve_base(str(tmp_path), tmp_path).revision
    (tmp_path / "notes.txt").write_text("changes nothing either")
    assert resolve_base(str(tmp_path), tmp_path).revision == after
