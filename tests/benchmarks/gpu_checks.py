"""The checks of `tests.benchmarks.gpu`, with what each asks.

Each is a function of a Bench that returns what it measured, and raises Failed.
"""

from __future__ import annotations

import gc
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.gpu_bench import ARCHITECTURES, ROOT, Bench, Failed, Steps, apart, require
from tests.benchmarks.gpu_kernels import kernels_of, table_of
from tests.benchmarks.gpu_numbers import attention, head, optimizer

STEPS = 20
EIGHT_GB = 8e9
# An H100's; another card's are reported against them.
STEP_MS = {"llama": 12.0, "gpt2": 5.0}
WARM_BOT_S, SAMPLES_S = 3.5, 1.0
KERNELS, BUSY = 3700, 0.9
PROFILED_STEPS = 50


@dataclass(frozen=True)
class Check:
    """seconds: planned. asked: what has to hold."""

    name: str
    seconds: int
    asked: str
    function: Callable[[Bench], str]


def versions(bench: Bench) -> str:
    """What is here, and whether this build of torch computes on it."""
    import torch
    import transformers

    from tasks.training.compute.gpu import best_device
    from tasks.training.compute.precision import describe_device

    about = f"{describe_device()}, transformers {transformers.__version__}"
    if not bench.dry:
        major, minor = torch.cuda.get_device_capability()
        about += f"\nCUDA {torch.version.cuda}, card sm_{major}{minor}, built for "
        about += " ".join(torch.cuda.get_arch_list())
        gib = torch.cuda.get_device_properties(0).total_memory / 2**30
        about += f"\n{gib:.0f} GiB, {os.cpu_count()} cores, driver {_driver()}"
    return require(best_device().type == bench.device.type, about)


def _driver() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return "unknown"
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def cpu_against_gpu(bench: Bench) -> str:
    """The same tiny training on both."""
    import torch

    from tasks.training.engine import Engine
    from tasks.training.trainer import train

    worst, lines = 0.0, []
    posts, held_out = bench.posts(600), bench.posts(200, seed=1)
    for architecture in ARCHITECTURES:
        spec = bench.spec(learning_rate=1e-3)
        on_cpu = Engine(bench.base(architecture, tiny=True), torch.device("cpu"))
        losses = [
            train(engine, posts, held_out, spec).held_out_loss
            for engine in (on_cpu, bench.engine(architecture, tiny=True))
        ]
        worst = max(worst, abs(losses[0] - losses[1]))
        lines.append(f"{architecture} {losses[0]:.5f} and {losses[1]:.5f}")
    return require(worst <= 1e-3, ", ".join(lines))


def no_waiting(bench: Bench) -> str:
    """Steps under torch's debug mode that raises where something waits for the GPU."""
    done = []
    for architecture in ARCHITECTURES:
        engine = bench.engine(architecture)
        graphs, recorder = bench.graphs()
        steps = Steps(engine, graphs, bench.spec(), bench.posts(200))
        with steps.open():
            with bench.strict():
                steps.step()
            steps.step()  # recorded, for which torch itself waits
            with bench.strict():
                for _ in range(3):
                    steps.step()
        done.append(f"{architecture}: {recorder.captures} captured")
        if recorder.captures != 1:
            raise Failed(", ".join(done))
        del engine, steps
        gc.collect()
    return f"none in 4 of 5 steps; {', '.join(done)}"


def graph_against_eager(bench: Bench) -> str:
    """The losses of steps by a graph and without."""
    lines, met = [], True
    for architecture in ARCHITECTURES:
        engine = bench.engine(architecture)
        for precision, allowed in bench.types.items():
            spec, posts = bench.spec(precision=precision), bench.posts(400)
            graphs, recorder = bench.graphs()
            steps = 4 if bench.dry else STEPS
            eager = Steps(engine, None, spec, posts).losses(steps)
            found = Steps(engine, graphs, spec, posts).losses(steps)
            first = recorder.captures
            Steps(engine, graphs, spec, bench.posts(400, seed=1)).losses(3)
            gap = apart(eager, found)
            met &= gap <= allowed and first == 1 and recorder.captures == 1
            lines.append(
                f"{architecture} {precision}: {gap:.1e} apart; captures {first}, next bot "
                f"{recorder.captures - first}"
            )
            graphs.clear()
        del engine
        gc.collect()
    return require(met, "\n".join(lines))


def dropout(bench: Bench) -> str:
    """Replays draw other numbers each; a bot that records draws those of one that does not."""
    engine = bench.engine()
    graphs, _ = bench.graphs()
    spec, posts = bench.spec(dropout=0.1, learning_rate=1e-9), bench.posts(200)
    cold = Steps(engine, graphs, spec, posts)
    with cold.open():
        same_batch = [float(cold.step(0)) for _ in range(6)]
    different = len(set(same_batch[2:])) == 4
    graphs.clear()
    first = Steps(engine, graphs, spec, posts).losses(6)
    gap = apart(first, Steps(engine, graphs, spec, posts).losses(6))
    measured = f"replays {'differ' if different else 'are equal'}; cold and warm {gap:.1e} apart"
    return require(different and gap <= 1e-4, measured)


def eight_gb(bench: Bench) -> str:
    """A whole bot within 8 GB, and then with all memory."""
    import torch

    from tasks.training.trainer import train

    spec, posts, held_out = bench.spec(epochs=1), bench.posts(300), bench.posts(100, seed=1)
    if not bench.dry:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, EIGHT_GB / total))
    engine = bench.engine()
    small = train(engine, posts, held_out, spec)
    if not bench.dry:
        torch.cuda.set_per_process_memory_fraction(1.0)
    large = train(engine, posts, held_out, spec)
    gap = apart([small.held_out_loss], [large.held_out_loss])
    peak = small.peak_memory / 2**30
    return require(gap <= 1e-4, f"losses {gap:.1e} apart; peak {peak:.1f} GiB within the 8 GB")


def a_model_that_waits(bench: Bench) -> str:
    """A model that asks the GPU for a number is trained without a graph; and the next bot."""
    from tasks.training.trainer import train

    engine = bench.engine()
    engine.graphs, recorder = bench.graphs()
    spec, posts, held_out = bench.spec(epochs=1), bench.posts(200), bench.posts(100, seed=1)
    if bench.dry:
        recorder.synchronizes = True
    hook = engine.model.base_model.register_forward_hook(
        lambda _body, _inputs, output: float(output.last_hidden_state.detach().sum()) and None
    )
    waiting = train(engine, posts, held_out, spec).held_out_loss
    hook.remove()
    following = train(engine, posts, held_out, spec).held_out_loss
    other = bench.engine()
    expected = train(other, posts, held_out, spec).held_out_loss
    gap = apart([expected, expected], [waiting, following])
    measured = f"{recorder.captures} captured; losses {gap:.1e} from those with a graph"
    return require(recorder.captures == 0 and gap <= 1e-3, measured)


def back_and_forth(bench: Bench) -> str:
    """Other precisions and bases in between change neither losses nor memory."""
    from tasks.training import engine as engines
    from tasks.training.trainer import train

    posts, held_out = bench.posts(200), bench.posts(100, seed=1)

    def bot(architecture: str, precision: str) -> tuple[float, int]:
        engine = engines.engine_for(bench.base(architecture))
        if bench.dry and engine.graphs is None:
            bench.as_on_a_gpu(engine)
        loss = train(engine, posts, held_out, bench.spec(precision=precision, epochs=1))
        bench.wait()
        return loss.held_out_loss, bench.memory()

    types = ["bf16" if "bf16" in bench.types else "fp32", "fp32"]
    precisions = [bot("llama", precision) for precision in (types[0], types[1], types[0])]
    bases = [bot(architecture, types[0]) for architecture in ("llama", "gpt2", "llama")]
    lines, met = [], True
    for name, found in (("precision", precisions), ("base", bases)):
        loss = apart(found[0][:1], found[2][:1])
        memory = apart([max(found[0][1], 1)], [max(found[2][1], 1)])
        met &= loss <= 1e-4 and memory <= 0.05
        lines.append(f"{name}: losses {loss:.1e} apart, memory {memory:.1%} apart")
    return require(met, "\n".join(lines))


class _Folders:
    """As much of a storage as training states need, in a local folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folders(self, key: str) -> list[str]:
        return sorted(f"{key}/{path.name}" for path in self._root.glob(f"{key}/*"))

    def read(self, key: str) -> str:
        return (self._root / key).read_text()

    @contextmanager
    def folder(self, key: str) -> Iterator[Path]:
        yield self._root / key

    @contextmanager
    def new_folder(self, key: str) -> Iterator[Path]:
        (self._root / key).mkdir(parents=True)
        yield self._root / key

    def delete(self, key: str) -> None:
        shutil.rmtree(self._root / key)


def resume(bench: Bench) -> str:
    """A training with dropout, stopped in the middle and resumed, ends as one that ran through."""
    from tasks.core import interruption
    from tasks.core.errors import Interrupted
    from tasks.training.resume import Resume
    from tasks.training.trainer import train

    engine = bench.engine()
    spec, posts = bench.spec(dropout=0.1, epochs=1), bench.posts(600)
    held_out = bench.posts(100, seed=1)
    whole = train(engine, posts, held_out, spec)
    with tempfile.TemporaryDirectory() as folder:
        storage: Any = _Folders(Path(folder))
        kept = Resume(storage, "states", "one", every_seconds=3600)

        def stop(progress: Any) -> None:
            if 0 < progress.done < progress.total:
                interruption.request_stop()

        try:
            train(engine, posts, held_out, spec, resume=kept, on_progress=stop)
        except Interrupted as stopped:
            how = str(stopped).partition(":")[0]
        else:
            raise Failed(f"not stopped: {whole.steps} steps are too few")
        finally:
            interruption.withdraw()
        resumed = train(engine, posts, held_out, spec, resume=kept)
    gap = apart([whole.held_out_loss], [resumed.held_out_loss])
    return require(gap <= 1e-4, f"{how}; held-out losses {gap:.1e} apart")


def decoding(bench: Bench) -> str:
    """Texts by a graph and without, and the time of 100 samples."""
    import torch

    from tasks.generation.decoding import Limits, write
    from tasks.generation.sampling import sample
    from tasks.generation.writers import writer_of

    lines, met = [], True
    for architecture in ARCHITECTURES:
        engine = bench.engine(architecture)
        prompts = [[0, 5, 6, 7], [0], [0, *range(40, 60)], [0, 9]]
        limits = Limits(end=0, least=10, most=30 if bench.dry else 100)
        texts = [
            write(
                engine.model,
                prompts,
                limits,
                generator=torch.Generator().manual_seed(3),
                fixed_shapes=fixed,
            )
            for fixed in (True, False)
        ]
        seconds = math.inf
        number = 1 if bench.dry else 100
        for seed in range(2):
            begun = time.perf_counter()
            sample(engine.model, engine.tokenizer, [""], number, seed=seed)
            bench.wait()
            seconds = min(seconds, time.perf_counter() - begun)
        equal = texts[0] == texts[1]
        met &= equal and (bench.dry or seconds <= SAMPLES_S)
        kind = type(writer_of(engine.model)).__name__
        lines.append(
            f"{kind}: texts {'equal' if equal else 'differ'}, {number} samples {seconds:.2f} s"
        )
        del engine
        gc.collect()
    return require(met, "\n".join(lines))


def adapter(bench: Bench) -> str:
    """An adapter that is trained here, as peft loads it, and merged."""
    import peft
    import torch

    from tasks.training.adapters import merge_adapter
    from tasks.training.bases.loading import load_model
    from tasks.training.trainer import training

    engine = bench.engine()
    spec = bench.spec(mode="adapter", adapter_rank=8, epochs=1, learning_rate=1.5e-3)
    held_out = bench.posts(100, seed=1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with training(engine, bench.posts(300), held_out, spec) as (trained, export):
            export(folder)
        base = Path(engine.base.folder)
        merged = load_model(base, bench.device, torch.float32)
        merge_adapter(merged, folder)
        theirs = peft.PeftModel.from_pretrained(
            load_model(base, bench.device, torch.float32), folder
        ).eval()
        ids = torch.arange(40, device=bench.device)[None]
        with torch.no_grad():
            gap = float((merged(input_ids=ids).logits - theirs(input_ids=ids).logits).abs().max())
    learnt = trained.base_loss - trained.held_out_loss
    return require(
        gap <= 1e-2 and learnt > 0, f"logits {gap:.1e} apart; {learnt:.2f} nats a token learnt"
    )


def bots(bench: Bench) -> str:
    """1,000 posts of 30 tokens, two epochs, 100 samples: a cold bot and a warm one, by phase."""
    from tasks.generation.sampling import sample
    from tasks.training.trainer import train

    posts, held_out = bench.posts(1000), bench.posts(100, seed=1)
    precision = "bf16" if "bf16" in bench.types else "fp32"
    lines, met = [], True
    for architecture in ARCHITECTURES:
        begun = time.perf_counter()
        engine = bench.engine(architecture)
        for name in ("cold", "warm"):
            spec = bench.spec(precision=precision, patience=99)
            trained = train(engine, posts, held_out, spec)
            wrote = time.perf_counter()
            sample(engine.model, engine.tokenizer, [""], 1 if bench.dry else 100, seed=0)
            bench.wait()
            now = time.perf_counter()
            whole, begun = now - begun, now
            phases = {**trained.seconds_in, "samples": now - wrote}
            step = 1000 * trained.seconds_in["train"] / trained.steps
            parts = ", ".join(f"{phase} {seconds:.2f}" for phase, seconds in phases.items())
            lines.append(
                f"{architecture} {name}: {whole:.2f} s ({parts}); {step:.1f} ms a step, "
                f"{trained.tokens_per_second:,.0f} tokens/s"
            )
        met &= bench.dry or (step <= STEP_MS[architecture] and whole <= WARM_BOT_S)
        del engine
        gc.collect()
    return require(met, "\n".join(lines))


def profile(bench: Bench) -> str:
    """What the kernels of a step are, and how much of a step one of them runs.

    The profiler makes a step longer, but not its kernels: those of a profiled step are compared
    with the time of steps that are not.
    """
    lines, met = [], True
    precision = "bf16" if "bf16" in bench.types else "fp32"
    for architecture in ARCHITECTURES:
        engine = bench.engine(architecture)
        graphs, _ = bench.graphs()
        steps = Steps(engine, graphs, bench.spec(precision=precision), bench.posts(200))
        number = 2 if bench.dry else PROFILED_STEPS
        with steps.open():
            for _ in range(4):
                steps.step()
            bench.wait()
            begun = time.perf_counter()
            for _ in range(number):
                steps.step()
            bench.wait()
            step = (time.perf_counter() - begun) / number
            kernels = kernels_of(bench, steps.step)
        spent = sum(kernel.seconds for kernel in kernels)
        met &= bench.dry or (len(kernels) <= KERNELS and spent >= BUSY * step)
        lines.append(
            f"{architecture}: {len(kernels):,} kernels, {1000 * spent:.2f} of the "
            f"{1000 * step:.2f} ms of a step: busy {spent / step:.0%}"
        )
        lines += table_of(kernels)
        del engine, steps
        gc.collect()
    return require(met, "\n".join(lines))


def processes(bench: Bench) -> str:
    """Warm bots an hour, by 1, 2 and 4 processes that share the GPU."""
    bench.base("llama")
    lines = []
    for number in (1,) if bench.dry else (1, 2, 4):
        program = f"from tests.benchmarks import {Path(__file__).stem} as checks; "
        program += f"checks.warm_bots({str(bench.folder)!r}, dry={bench.dry})"
        children = [
            subprocess.Popen(
                [sys.executable, "-c", program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            for _ in range(number)
        ]
        try:
            if any(_line(child) != "ready" for child in children):
                raise Failed(f"{number} processes: one ended before it was ready")
            for child in children:
                print(file=child.stdin, flush=True)
            rates = [json.loads(_line(child)) for child in children]
        finally:
            for child in children:
                child.kill()
                child.communicate()
        lines.append(f"{number} processes: {sum(rates):,.0f} bots an hour")
    return "\n".join(lines)


def warm_bots(folder: str, *, dry: bool) -> None:
    """In a process of its own: say `ready`, wait for a line, and print how many bots an hour."""
    from tasks.generation.sampling import sample
    from tasks.training.trainer import train

    bench = Bench(Path(folder), dry=dry)
    engine = bench.engine()
    posts, held_out = bench.posts(1000), bench.posts(100, seed=1)
    spec = bench.spec(precision="bf16" if "bf16" in bench.types else "fp32", patience=99)

    def bot() -> None:
        train(engine, posts, held_out, spec)
        sample(engine.model, engine.tokenizer, [""], 1 if dry else 100, seed=0)
        bench.wait()

    bot()
    print("ready", flush=True)
    sys.stdin.readline()
    begun, done, seconds = time.monotonic(), 0, 0.0
    while not done or seconds < (0 if dry else 8):
        bot()
        done, seconds = done + 1, time.monotonic() - begun
    print(json.dumps(3600 * done / seconds), flush=True)


def _line(child: Any) -> str:
    return str(child.stdout.readline()).strip()


CHECKS = (
    Check("versions", 15, "torch computes on this card", versions),
    Check("cpu", 45, "tiny bots in fp32 lose within 1e-3 of the CPU's", cpu_against_gpu),
    Check("attention", 15, "attention and its gradients as the CPU's", attention),
    Check("head", 15, "the loss over a vocabulary and its gradients as the CPU's", head),
    Check("optimizer", 15, "AdamW's steps as the CPU's", optimizer),
    Check("waiting", 30, "nothing waits for the GPU in a step", no_waiting),
    Check(
        "graph",
        75,
        f"{STEPS} steps within 1e-4 (fp32) and 2e-2 (bf16) of eager ones; a second bot captures "
        "nothing",
        graph_against_eager,
    ),
    Check("dropout", 30, "replays differ; a cold bot equals a warm one of its seed", dropout),
    Check("8gb", 60, "the same loss within 8 GB", eight_gb),
    Check("fallback", 30, "a model that waits for the GPU is not captured", a_model_that_waits),
    Check(
        "switches",
        45,
        "bf16 → fp32 → bf16 and base A → B → A: losses within 1e-4, memory ± 5 %",
        back_and_forth,
    ),
    Check("resume", 30, "a stopped training ends within 1e-4 of another", resume),
    Check(
        "decoding", 40, f"equal texts in fp32; 100 samples in {SAMPLES_S:.0f} s or less", decoding
    ),
    Check("adapter", 30, "peft's logits within 1e-2", adapter),
    Check(
        "bots",
        75,
        f"a step in {STEP_MS['llama']:.0f} ms or less (GPT-2 {STEP_MS['gpt2']:.0f}), a warm bot in "
        f"{WARM_BOT_S} s (an H100)",
        bots,
    ),
    Check("profile", 45, f"at most {KERNELS:,} kernels a step, busy {BUSY:.0%}", profile),
    Check("processes", 45, "bots an hour, for the record", processes),
)
