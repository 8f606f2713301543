from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tasks.core import interruption
from tasks.core.errors import BadInput, BaseUnavailable, Interrupted
from tasks.core.records import ADAPTER_WEIGHTS, Base, Checkpoint, Progress, Spec
from tasks.evaluation.measuring import Rival, evaluate_bot
from tasks.storage import Storage, open_storage
from tasks.training.adapters import adapter_on, has_adapter, merge_adapter, save_adapter
from tasks.training.bases.loading import load_model
from tasks.training.checkpoint import train_checkpoint
from tasks.training.compute.fast_loss import PackedLoss
from tasks.training.data.batches import pad
from tasks.training.engine import Engine
from tasks.training.export import import_weights
from tasks.training.loss import PlainLoss
from tasks.training.resume import Resume
from tasks.training.trainer import train
from tests.sample_posts import sentences
from tests.tiny import make_tiny_base

SPEC = Spec(mode="adapter", adapter_rank=4, precision="fp32", learning_rate=2e-2)
TEXTS = sentences(160)
TRAIN, HELD_OUT = TEXTS[:130], TEXTS[130:]
CPU = torch.device("cpu")
SLOW = 0.1  # seconds a step of the process that is killed
KILLED = """
import sys, time
from tests.tasks.training import test_adapters as here
here.resumable(sys.argv[1], sys.argv[2], lambda _progress: time.sleep(here.SLOW))
"""


@pytest.fixture(params=["gpt2", "llama"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    return make_tiny_base(tmp_path / "base", request.param)


def model_of(base: Base) -> torch.nn.Module:
    model: torch.nn.Module = load_model(Path(base.folder), CPU, torch.float32)
    return model


def random_adapter(base: Base, folder: Path) -> Path:
    """An adapter in its files, with random weights in both factors."""
    engine = Engine(base)
    with adapter_on(engine, 4, seed=0) as (adapted, trainable):
        numbers = torch.randn(trainable.weights.base.shape, generator=torch.manual_seed(1)) / 10
        trainable.weights.load(numbers)
        save_adapter(adapted, folder)
    return folder


def checkpoint(base: Base, folder: Path) -> Checkpoint:
    folder.mkdir()
    return train_checkpoint(
        TRAIN,
        HELD_OUT,
        ["a"] * len(TRAIN),
        base,
        SPEC,
        folder,
        fingerprint="f" * 64,
        uri="checkpoints/a/f",
        on_progress=lambda _progress: None,
    )


def test_every_linear_layer_but_the_head_gets_an_addition(base: Base, tmp_path: Path) -> None:
    folder = random_adapter(base, tmp_path / "adapter")
    config = json.loads((folder / "adapter_config.json").read_text())
    expected = {
        "gpt2": {"c_attn", "c_proj", "c_fc"},
        "llama": {f"{part}_proj" for part in ("q", "k", "v", "o", "gate", "up", "down")},
    }
    kind = json.loads((Path(base.folder) / "config.json").read_text())["model_type"]
    assert set(config["target_modules"]) == expected[kind]
    assert config["fan_in_fan_out"] == (kind == "gpt2")
    assert config["base_model_name_or_path"] == base.id
    assert config["r"] == config["lora_alpha"] == 4
    layers = {key.rpartition(".lora_")[0] for key in load_file(folder / ADAPTER_WEIGHTS)}
    assert not any("lm_head" in layer for layer in layers)
    assert not (folder / "README.md").exists()


def test_an_adapter_is_trained_by_the_fast_way_with_the_plain_gradients(base: Base) -> None:
    engine = Engine(base)
    batch = pad(engine.documents(TRAIN[:9], SPEC))
    with adapter_on(engine, 4, seed=0) as (_, trainable):
        assert isinstance(trainable.loss, PackedLoss)
        weights = trainable.weights
        weights.load(torch.randn(weights.base.shape, generator=torch.manual_seed(1)) / 10)
        found = []
        for way in (trainable.loss, PlainLoss(engine.model)):
            weights.grads.zero_()
            with way.open():
                loss = float(way.backward(batch))
            found.append((loss, weights.grads.clone()))
    (fast_loss, fast), (plain_loss, plain) = found
    assert fast_loss == pytest.approx(plain_loss, rel=1e-5)
    assert (fast - plain).norm() / plain.norm() < 1e-5


def test_nothing_of_an_adapter_is_left_behind(base: Base) -> None:
    engine = Engine(base)
    before = engine.weights.copy()
    kinds = [type(module) for module in engine.model.modules()]
    untouched = train(engine, TRAIN, HELD_OUT, Spec(precision="fp32", learning_rate=3e-3))
    trained = train(engine, TRAIN, HELD_OUT, SPEC)
    assert trained.held_out_loss < trained.base_loss - 0.1
    assert trained.learning_rate == 2e-2
    assert torch.equal(engine.weights.copy(), before), "the base's own weights again"
    assert [type(module) for module in engine.model.modules()] == kinds
    assert all(parameter.requires_grad for parameter in engine.model.parameters())
    again = train(engine, TRAIN, HELD_OUT, Spec(precision="fp32", learning_rate=3e-3))
    assert again.history == untouched.history
    assert train(engine, TRAIN, HELD_OUT, SPEC).history == trained.history


def test_without_a_rate_an_adapter_has_its_own(base: Base) -> None:
    spec = Spec(mode="adapter", adapter_rank=2, epochs=1, precision="fp32")
    assert train(Engine(base), TRAIN[:20], HELD_OUT, spec).learning_rate == 1.5e-3


def test_merged_it_computes_what_peft_computes(base: Base, tmp_path: Path) -> None:
    from peft import PeftModel

    folder = random_adapter(base, tmp_path / "adapter")
    assert has_adapter(folder)
    theirs = PeftModel.from_pretrained(model_of(base), folder).eval()
    ids = torch.arange(20)[None]
    engine = Engine(base)
    with torch.no_grad():
        plain = engine.model(input_ids=ids).logits
        import_weights(engine.model, folder)
        ours, expected = engine.model(input_ids=ids).logits, theirs(input_ids=ids).logits
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(ours, plain, atol=1e-2)
    assert torch.equal(engine.weights.copy()[:10], engine.weights.weights[:10])
    address = engine.weights.weights.data_ptr()
    assert next(engine.model.parameters()).data_ptr() == address, "still views of one tensor"


def test_a_checkpoint_of_an_adapter_is_measured(base: Base, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    made = checkpoint(base, folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "generation_config.json",
        "manifest.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert made.weights.uri == "checkpoints/a/f/adapter_model.safetensors"
    assert {tensor.dtype for tensor in load_file(folder / ADAPTER_WEIGHTS).values()} == {
        torch.bfloat16
    }
    rival = Rival(folder, same_base=True)
    found = evaluate_bot(base, folder, TRAIN, HELD_OUT, SPEC, seed=0, rival=rival)
    assert found.base_loss - found.bot_loss > 0.1
    assert found.bot_loss == pytest.approx(made.held_out_loss, rel=0.01)
    # the bot itself, as its own rival: what is merged first must not stay
    assert found.released_loss == pytest.approx(found.bot_loss, rel=1e-4)


def resumable(folder: str, url: str, report: object = lambda _progress: None) -> object:
    engine = Engine(Base(folder, folder, "tiny", "made in a test"))
    spec = Spec(**{**vars(SPEC), "epochs": 4, "patience": 9, "dropout": 0.1})
    unfinished = Resume(open_storage(url), "resume/a/f", "f", 0.0, 1e9)
    return train(engine, TRAIN, HELD_OUT, spec, on_progress=report, resume=unfinished)


def test_a_stopped_training_of_an_adapter_is_resumed_and_ends_the_same(
    base: Base, tmp_path: Path, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    whole = resumable(base.folder, str(tmp_path / "other"))

    def stop(progress: Progress) -> None:
        if progress.done > progress.total / 2:
            interruption.request_stop()

    with pytest.raises(Interrupted, match="stopped at step"):
        resumable(base.folder, storage.url, stop)
    interruption.withdraw()
    caplog.set_level("INFO")
    resumed = resumable(base.folder, storage.url)
    assert "resuming from step" in caplog.text
    assert resumed.history == whole.history
    assert resumed.held_out_loss == whole.held_out_loss


@pytest.mark.slow
def test_a_killed_training_of_an_adapter_is_resumed_and_ends_the_same(
    base: Base, tmp_path: Path, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    whole = resumable(base.folder, str(tmp_path / "other"))
    command = [sys.executable, "-c", KILLED, base.folder, storage.url]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, env=environment) as process:
        until = time.monotonic() + 60
        while time.monotonic() < until and process.poll() is None:
            if any(storage.exists(f"{k}/manifest.json") for k in storage.folders("resume/a/f")):
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL

    caplog.set_level("INFO")
    seen: list[Progress] = []
    resumed = resumable(base.folder, storage.url, seen.append)
    (line,) = (line for line in caplog.messages if "resuming from step" in line)
    done = int(line.split("from step ")[1].split()[0])
    assert 0 < done < whole.steps
    assert len(seen) == whole.steps - done, "only the rest was trained"
    assert resumed.history == whole.history
    assert resumed.held_out_loss == whole.held_out_loss


def test_an_adapter_of_another_base_is_refused(tmp_path: Path) -> None:
    gpt2, llama = (make_tiny_base(tmp_path / kind, kind) for kind in ("gpt2", "llama"))
    of_llama = random_adapter(llama, tmp_path / "adapter")
    with pytest.raises(BaseUnavailable, match="was not made from this base"):
        merge_adapter(model_of(gpt2), of_llama)
    tensors = load_file(of_llama / ADAPTER_WEIGHTS)
    name = next(name for name in tensors if "lora_A" in name)
    save_file({**tensors, name: tensors[name][:, :-1].contiguous()}, of_llama / ADAPTER_WEIGHTS)
    with pytest.raises(BaseUnavailable, match="is damaged"):
        merge_adapter(model_of(llama), of_llama)


@pytest.mark.parametrize("damage", ["no tensors", "cut off", "some are missing", "no config"])
def test_damaged_files_are_refused(damage: str, base: Base, tmp_path: Path) -> None:
    folder = random_adapter(base, tmp_path / "adapter")
    weights = folder / ADAPTER_WEIGHTS
    if damage == "no tensors":
        weights.write_bytes(b"no tensors")
    elif damage == "cut off":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "some are missing":
        tensors = load_file(weights)
        save_file(dict(list(tensors.items())[2:]), weights)
    else:
        (folder / "adapter_config.json").unlink()
    with pytest.raises(BaseUnavailable, match="is damaged"):
        merge_adapter(model_of(base), folder)


@pytest.mark.parametrize("wrong", [{"mode": "lora"}, {"adapter_rank": 0}])
def test_a_spec_knows_its_modes(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        Spec(**wrong)


def test_bf16_adapters_learn_as_fp32_ones_do(tmp_path: Path) -> None:
    engine = Engine(make_tiny_base(tmp_path, "llama"))
    exact, rough = (
        train(engine, TRAIN, HELD_OUT, Spec(**{**vars(SPEC), "precision": precision}))
        for precision in ("fp32", "bf16")
    )
    assert rough.precision == "bf16"
    assert rough.held_out_loss == pytest.approx(exact.held_out_loss, rel=0.02)
