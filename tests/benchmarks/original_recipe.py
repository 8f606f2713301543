"""The original's recipe with today's Trainer, one bot in a process, as it was used.

fp32, one block of 1,024 tokens a step; the blocks are cut from one text, in which every epoch's
posts follow each other in an order of its own, joined by `<|endoftext|>`; four epochs; AdamW,
learning rate 1.372e-4, cosine to zero, no warm-up; 100 samples by `generate` from its five starts.
With precision `bf16` it is the peer: the same blocks under bf16 autocast (TRL packs only with
FlashAttention, which a CPU has not).
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.accounts import Account, read_texts
from tests.benchmarks.measured import Job, Measured, Stopwatch, answer, peak_gib

SEPARATOR = "<|endoftext|>"
EPOCHS = 4
BLOCK = 1024
RATE = 1.372e-4
# `generate` was asked for so many at once.
AT_ONCE = 10
SEED = 0


def pasted(posts: list[str], epochs: int, seed: int) -> str:
    """The training text: all epochs after one another, each in an order of its own."""
    draw = random.Random(seed)
    text = SEPARATOR
    for _ in range(epochs):
        shuffled = list(posts)
        draw.shuffle(shuffled)
        text += SEPARATOR.join(shuffled) + SEPARATOR
    return text


def blocks(ids: list[int], size: int) -> list[dict[str, list[int]]]:
    """As the `TextDataset` of old: what does not fill a last block is left out."""
    size = min(size, len(ids))
    cuts = range(0, len(ids) - size + 1, size)
    return [{"input_ids": ids[n : n + size], "labels": ids[n : n + size]} for n in cuts]


def measure(job: Job) -> list[Measured]:
    """One bot after the recipe; a process of its own is started for each."""
    watch = Stopwatch(job.started)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    (account,) = (a for a in read_texts(Path(job.texts)) if a.handle == job.handles[0])
    watch.lap("start")
    tokenizer = AutoTokenizer.from_pretrained(job.base)
    model = AutoModelForCausalLM.from_pretrained(job.base, dtype=torch.float32)
    watch.lap("load")
    text = pasted(account.train, EPOCHS, SEED)
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    size = min(BLOCK, model.config.max_position_embeddings)
    dataset = blocks(ids, size)[: job.most_steps or None]
    watch.lap("tokenise")
    with tempfile.TemporaryDirectory() as folder:
        _train(model, dataset, job.precision, folder)
        watch.lap("train")
        held_out = 0.0 if job.most_steps else _held_out_loss(model, tokenizer, account)
        watch.skip()
        if not job.most_steps:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        watch.lap("save")
    watch.skip()  # the removal of the folder
    _sample(model, tokenizer, 0 if job.most_steps else job.samples)
    watch.lap("samples")
    tokens = sum(len(block["input_ids"]) for block in dataset)
    arm = "original" if job.precision == "fp32" else "Trainer bf16"
    return [Measured(arm, account.handle, watch.seconds, tokens, held_out, peak_gib())]


def _train(model: Any, dataset: list[dict[str, list[int]]], precision: str, folder: str) -> None:
    import torch
    from transformers import Trainer, TrainingArguments, default_data_collator

    arguments = TrainingArguments(
        output_dir=folder,
        num_train_epochs=1,
        per_device_train_batch_size=1,
        learning_rate=RATE,
        lr_scheduler_type="cosine",
        logging_strategy="no",
        disable_tqdm=True,
        save_strategy="no",
        report_to=[],
        seed=SEED,
        bf16=precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
    )
    Trainer(
        model=model, args=arguments, train_dataset=dataset, data_collator=default_data_collator
    ).train()


def _held_out_loss(model: Any, tokenizer: Any, account: Account) -> float:
    """By our function, so that the same tokens count as in the other arms."""
    from tasks.core.records import Spec
    from tasks.training.data.documents import context_of, encode
    from tasks.training.loss import mean_loss

    context = context_of(model.config.get_text_config(), Spec().max_tokens)
    model.eval()
    return mean_loss(model, encode(tokenizer, account.held_out, context), "fp32")


def _sample(model: Any, tokenizer: Any, samples: int) -> None:
    import torch

    from tasks.evaluation.predictions import STARTS

    end = tokenizer.convert_tokens_to_ids(SEPARATOR)
    model.eval()
    for number in range(-(-samples // AT_ONCE)):
        start = STARTS[number % len(STARTS)]
        ids = tokenizer(SEPARATOR + start, return_tensors="pt", add_special_tokens=False)
        with torch.no_grad():
            model.generate(
                **ids.to(model.device),
                do_sample=True,
                top_p=0.95,
                top_k=50,  # transformers' default, which the original left alone
                temperature=1.0,
                min_length=10,
                max_length=min(160, model.config.max_position_embeddings),
                num_return_sequences=AT_ONCE,
                eos_token_id=end,
                pad_token_id=end,
            )


if __name__ == "__main__":
    answer(measure)
