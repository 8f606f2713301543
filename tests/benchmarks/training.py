"""The training engine against the original's recipe, in one run, on the same posts.

    python -m tests.benchmarks.training [--posts N] [--bots N] [--json FILE] …

(a) the original's recipe in a fresh process for each account; (b) ours in a fresh process; (c)
ours, warm: N bots after the cold ones, shared among the accounts; (d) the Trainer's packed bf16
path as a peer, on the first account and without samples; and both on a model of GPT-2's size with
random weights, for the speed only. The arms take turns, account by account.
Accounts: two of ../shared/tweets and a small one, or made-up ones. For a machine that cannot import
posts: `--write-texts FILE` here, `--texts FILE --base FOLDER` there.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.accounts import Account, accounts, made_up, read_texts, write_texts
from tests.benchmarks.measured import Job, Measured, in_a_process
from tests.benchmarks.training_tables import print_tables, targets

GPT2_STEPS = 4
GPT2_POSTS = 60


def main(words: list[str]) -> int:
    """Measure, print the tables, and write the figures if asked; 0 in any case."""
    asked = _arguments(words)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        texts = _texts(asked)
        if asked.write_texts:
            write_texts(Path(asked.write_texts), texts)
            return 0
        file = folder / "texts.jsonl"
        write_texts(file, texts)
        base = base_folder(asked, folder)
        rows = _arms(asked, base, file, [account.handle for account in texts])
        sized = [] if asked.tiny or asked.no_gpt2 else _gpt2_size(asked, base, texts[0], folder)
    judged = targets(rows, sized)
    print_tables(machine(), rows, sized, judged)
    if asked.json:
        figures = {
            "machine": machine(),
            "rows": [asdict(row) for row in rows],
            "gpt2_size": [asdict(row) for row in sized],
            "targets": [asdict(target) for target in judged],
        }
        Path(asked.json).write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.training")
    add = parser.add_argument
    add("--posts", type=int, default=200, help="newest posts of the two accounts; fewer of a third")
    add("--bots", type=int, default=10, help="warm bots after one another")
    add("--samples", type=int, default=100, help="posts written by each bot")
    add("--accounts", type=int, default=3, help="so many of the accounts only")
    add("--base", help="folder of the base (default: the embedded one)")
    add("--texts", help="file of texts, as --write-texts writes it")
    add("--write-texts", help="write the texts to this file, and measure nothing")
    add("--json", help="write the figures to this file")
    add("--evaluations", type=int, help="held-out evaluations an epoch (default: the spec's)")
    add("--tiny", action="store_true", help="a base of a few thousand random weights, for a test")
    add("--no-gpt2", action="store_true", help="leave the model of GPT-2's size out")
    add("--no-peer", action="store_true", help="leave (d) out")
    return parser.parse_args(words)


def _texts(asked: argparse.Namespace) -> list[Account]:
    if asked.texts:
        return read_texts(Path(asked.texts))[: asked.accounts]
    if asked.tiny:  # nothing is learnt from it, so that no posts are needed
        return made_up(asked.posts)[: asked.accounts]
    return accounts(asked.posts, asked.accounts)


def base_folder(asked: argparse.Namespace, folder: Path) -> str:
    """The base that is asked for: a tiny one, made in `folder`, a given one, or the embedded."""
    if asked.tiny:
        from tests.tiny import make_tiny_base

        return make_tiny_base(folder / "tiny").folder
    if asked.base:
        return str(Path(asked.base).absolute())
    from tasks.core.settings import Settings
    from tasks.training.bases.base_models import resolve_base

    return resolve_base("embedded", Settings().cache).folder


def _arms(asked: argparse.Namespace, base: str, file: Path, handles: list[str]) -> list[Measured]:
    """Each account by every arm before the next, so that all arms meet the same load."""
    spec = {"evaluations": asked.evaluations} if asked.evaluations else {}

    def job(of: list[str], samples: int = asked.samples, **options: object) -> Job:
        return Job(base, str(file), of, samples, **options)

    rows: list[Measured] = []
    for number, handle in enumerate(handles):
        rows += _told("(a) original", handle, in_a_process("original_recipe", job([handle])))
        if number == 0 and not asked.no_peer:
            peer = in_a_process("original_recipe", job([handle], samples=0, precision="bf16"))
            rows += _told("(d) Trainer bf16", handle, peer)
        # The warm bots of this account follow its cold one in one process.
        warm = len(range(number, asked.bots, len(handles)))
        ours = in_a_process("our_recipe", job([handle] * (1 + warm), spec=spec))
        rows += _told("(b) and (c) ours", handle, ours)
    return rows


def _gpt2_size(
    asked: argparse.Namespace, base: str, account: Account, folder: Path
) -> list[Measured]:
    """The speed of both on GPT-2's architecture: 124 million random weights, the base's tokens."""
    import torch
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    tokenizer = AutoTokenizer.from_pretrained(base)
    end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(bos_token_id=end, eos_token_id=end))
    model.save_pretrained(folder / "gpt2")
    tokenizer.save_pretrained(folder / "gpt2")
    file = folder / "few.jsonl"
    write_texts(file, [account._replace(held_out=account.held_out[:5])])
    job = Job(str(folder / "gpt2"), str(file), [account.handle], most_steps=GPT2_STEPS)
    rows = _told("GPT-2 size", "original", in_a_process("original_recipe", job))
    few = account._replace(train=account.train[:GPT2_POSTS], held_out=account.held_out[:5])
    write_texts(file, [few])
    job.handles, job.spec = [account.handle] * 2, {"epochs": 1}
    return rows + _told("GPT-2 size", "ours", in_a_process("our_recipe", job))


def _told(arm: str, account: str, rows: list[Measured]) -> list[Measured]:
    for row in rows:
        told = f"{arm} {account}: {row.total:.1f} s, {row.speed:.0f} tokens/s, {row.held_out:.3f}"
        print(told, file=sys.stderr, flush=True)
    return rows


def machine() -> str:
    """What is measured on."""
    import torch
    import transformers

    where = (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
    )
    return f"{where}, torch {torch.__version__}, transformers {transformers.__version__}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
