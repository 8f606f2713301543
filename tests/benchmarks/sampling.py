"""Our sampling against transformers' `generate`, at the same batch and settings, taking turns.

    python -m tests.benchmarks.sampling [--model FOLDER] [--samples N] [--rounds N] [--tiny]

FOLDER holds a bot; without it one is trained first, on the newest posts of an account (a base that
knows no posts would not end its texts, and nothing could be gained where posts are finished).
Both write the same number of posts in one batch in the same precision: temperature 1, nucleus 0.95
of the 1,024 likeliest, 10 to 160 tokens. Exits 1 if ours is not four times as fast.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from tasks.core.records import Base, Spec
from tasks.generation.decoding import TOP_K, TOP_P
from tasks.generation.sampling import MAX_TOKENS, MIN_TOKENS, sample
from tasks.training.bases.loading import load_model, load_tokenizer
from tasks.training.compute.precision import has_fast_bf16
from tasks.training.data.documents import context_of, marks_of
from tasks.training.engine import Engine
from tasks.training.export import export_model
from tasks.training.trainer import train
from tests.benchmarks.accounts import accounts, made_up
from tests.benchmarks.measured import wait_for_gpu

NEEDED_RATIO = 4


def main(words: list[str]) -> int:
    """Print the table; 1 where the ratio is missed, unless the model is too tiny to tell."""
    asked = _arguments(words)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(asked.model) if asked.model else _trained_bot(asked, Path(temporary))
        arms = _arms(folder, asked.samples)
        taken = {name: [0.0, 0] for name in arms}
        for number in range(asked.rounds):
            for name, arm in arms.items():
                seconds, tokens = _timed(arm, number)
                taken[name][0] += seconds
                taken[name][1] += tokens
                print(f"{name}: {asked.samples} posts in {seconds:.1f} s", file=sys.stderr)
    posts = asked.samples * asked.rounds
    ratio = _show(posts, {name: (seconds, tokens) for name, (seconds, tokens) in taken.items()})
    met = ratio >= NEEDED_RATIO
    print(f"{NEEDED_RATIO} times the posts a second: {'met' if met else 'MISSED'}")
    return int(not met and not asked.tiny)


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sampling")
    parser.add_argument("--model", help="folder of a bot")
    parser.add_argument("--base", help="folder of the base to train (default: the embedded one)")
    parser.add_argument("--posts", type=int, default=300, help="posts to train the bot on")
    parser.add_argument("--samples", type=int, default=100, help="posts in a batch")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tiny", action="store_true", help="a tiny random base, for a test")
    return parser.parse_args(words)


def _trained_bot(asked: argparse.Namespace, folder: Path) -> Path:
    account = made_up(asked.posts)[0] if asked.tiny else accounts(asked.posts, 2)[1]
    engine = Engine(_base(asked, folder / "base"))
    print(f"training a bot on {len(account.train)} posts", file=sys.stderr)
    train(engine, account.train, account.held_out, Spec(epochs=1))
    (folder / "bot").mkdir()
    export_model(engine.model, load_tokenizer(Path(engine.base.folder)), folder / "bot")
    return folder / "bot"


def _base(asked: argparse.Namespace, folder: Path) -> Base:
    if asked.tiny:
        from tests.tiny import make_tiny_base

        return make_tiny_base(folder, "llama")
    if asked.base:
        return Base(asked.base, asked.base, "benchmark", "the benchmark's")
    from tasks.core.settings import Settings
    from tasks.training.bases.base_models import resolve_base

    return resolve_base("embedded", Settings().cache)


def _arms(folder: Path, samples: int) -> dict[str, Callable[[int], int]]:
    """What is compared, by name: each writes posts by a seed and returns the tokens of all."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if has_fast_bf16(device) else torch.float32
    model, tokenizer = load_model(folder, device, dtype), load_tokenizer(folder)
    theirs = load_model(folder, device, dtype)
    theirs.set_attn_implementation("sdpa")  # its own choice on both devices

    def ours(seed: int, *, keep_mentions: bool) -> int:
        (texts,) = sample(model, tokenizer, [""], samples, seed=seed, keep_mentions=keep_mentions)
        return sum(len(ids) for ids in tokenizer(texts)["input_ids"])

    return {
        "generate": lambda seed: _generate(theirs, tokenizer, samples, seed),
        "ours": lambda seed: ours(seed, keep_mentions=True),
        "ours, mentions banned": lambda seed: ours(seed, keep_mentions=False),
    }


@torch.no_grad()
def _generate(model: Any, tokenizer: Any, samples: int, seed: int) -> int:
    torch.manual_seed(seed)
    marks = marks_of(tokenizer)
    prompts = torch.full((samples, 1), marks.begin, device=model.device)
    rows = model.generate(
        prompts,
        attention_mask=torch.ones_like(prompts),
        do_sample=True,
        temperature=1.0,
        top_p=TOP_P,
        top_k=TOP_K,
        min_length=MIN_TOKENS,
        max_length=context_of(model.config.get_text_config(), MAX_TOKENS),
        eos_token_id=marks.end,
        pad_token_id=marks.end,
    )
    return int((rows != marks.end).sum())


def _timed(arm: Callable[[int], int], seed: int) -> tuple[float, int]:
    begun = time.perf_counter()
    tokens = arm(seed)
    wait_for_gpu()
    return time.perf_counter() - begun, tokens


def _show(posts: int, taken: dict[str, tuple[float, int]]) -> float:
    """The table; returns the ratio of posts a second, as they are written by default."""
    table = Table(title=f"Sampling, {posts} posts in all")
    for column in ("by", "seconds", "tokens a post", "posts/s", "times generate"):
        table.add_column(column, justify="left" if column == "by" else "right")
    first = taken["generate"][0]
    for name, (seconds, tokens) in taken.items():
        table.add_row(
            name,
            f"{seconds:.1f}",
            f"{tokens / posts:.0f}",
            f"{posts / seconds:.1f}",
            f"{first / seconds:.1f}",
        )
    Console(width=100).print(table)
    return first / taken["ours, mentions banned"][0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
