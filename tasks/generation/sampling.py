"""Posts by a model: all starts in one batch, one pass of the model for each token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from tasks.generation.decoding import Limits, write
from tasks.generation.mention_guard import mention_guard
from tasks.generation.writers import writer_of
from tasks.training.data.documents import context_of, marks_of

MIN_TOKENS = 10
MAX_TOKENS = 160
# Posts written together. More are hardly faster on a CPU, and a thousand would take gigabytes.
BATCH = 100
_BLANKS = " \t\u00a0\u3000"


@dataclass(frozen=True)
class Wanted:
    """One post to write.

    start: what it begins with. keep_mentions: whether `@somebody` may be written, or any at sign; a
        start may hold them in any case.
    """

    start: str = ""
    keep_mentions: bool = False


def sample(
    model: Any,
    tokenizer: Any,
    starts: Sequence[str],
    number: int,
    *,
    seed: int,
    keep_mentions: bool = False,
) -> list[list[str]]:
    """`number` posts for each start, as `sample_each` writes them."""
    wanted = [Wanted(start, keep_mentions) for start in starts for _ in range(number)]
    texts = sample_each(model, tokenizer, wanted, seed=seed)
    return [texts[n * number : (n + 1) * number] for n in range(len(starts))]


def sample_each(model: Any, tokenizer: Any, wanted: Sequence[Wanted], *, seed: int) -> list[str]:
    """A post for each that is wanted, start included; the same seed writes the same posts.

    Temperature 1, nucleus 0.95 of the 1,024 likeliest, at most 160 tokens; a post ends at the end
    mark. Of a start that leaves no room for a post its end is left out.
    """
    marks = marks_of(tokenizer)
    limit = context_of(model.config.get_text_config(), MAX_TOKENS)
    guarded = not all(post.keep_mentions for post in wanted)
    guard = mention_guard(tokenizer, _vocabulary(model)) if guarded else None
    writer = writer_of(model)
    limits = Limits(end=marks.end, least=MIN_TOKENS, most=limit)
    generator = torch.Generator().manual_seed(seed)
    texts = []
    for first in range(0, len(wanted), BATCH):
        batch = wanted[first : first + BATCH]
        free = frozenset(number for number, post in enumerate(batch) if post.keep_mentions)
        rows = write(
            writer,
            [[marks.begin, *prompt_of(tokenizer, post.start, limit // 2)] for post in batch],
            limits,
            generator=generator,
            guard=replace(guard, off_for=free) if guard else None,
        )
        texts += [text_of(tokenizer, row[1:]) for row in rows]
    return texts


def _vocabulary(model: Any) -> int:
    return int(model.get_output_embeddings().weight.shape[0])


def prompt_of(tokenizer: Any, start: str, most: int) -> list[int]:
    """The tokens of a start, at most so many, without blanks at its end; none of them is special.

    In a post the blank belongs to the token of the word after it; a blank by itself comes before
    hardly anything but digits.
    """
    start = start.rstrip(_BLANKS)
    ids = tokenizer(start, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return list(ids[:most])


def text_of(tokenizer: Any, ids: list[int]) -> str:
    """The text of tokens, without special ones and outer blanks."""
    # Some tokenizers would "clean up" blanks before punctuation, which the bot put there.
    text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return str(text).strip()
