"""Let a model write posts: all starts in one batch, one pass of the model for each token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import DynamicCache

from tasks.training.documents import context_of, marks_of
from tasks.training.loading import load_model, load_tokenizer
from tasks.training.precision import has_fast_bf16

TOP_P = 0.95
# The nucleus is sought among so many: what lies beyond has no weight worth sorting for.
TOP_K = 1024
MIN_TOKENS = 10
MAX_TOKENS = 160


@torch.no_grad()
def sample(
    model: Any, tokenizer: Any, starts: Sequence[str], number: int, *, seed: int
) -> list[list[str]]:
    """`number` posts for each start, the start included; the same seed writes the same posts.

    Temperature 1, nucleus 0.95, at most 160 tokens; a post ends at the end mark. Of a start that
    leaves no room for a post its end is left out.
    """
    marks = marks_of(tokenizer)
    prompts = [
        _prompt(tokenizer, start, _limit(model) // 2) for start in starts for _ in range(number)
    ]
    rows = _write(model, [[marks.begin, *ids] for ids in prompts], marks.end, seed)
    texts = [_text(tokenizer, row[1:]) for row in rows]
    return [texts[n * number : (n + 1) * number] for n in range(len(starts))]


def generate(folder: Path, start: str, number: int, seed: int) -> list[str]:
    """Posts by the release in a folder. Raises BaseUnavailable."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if has_fast_bf16(device) else torch.float32
    model = load_model(folder, device, dtype)
    return sample(model, load_tokenizer(folder), [start], number, seed=seed)[0]


def _limit(model: Any) -> int:
    return context_of(model.config.get_text_config(), MAX_TOKENS)


def _prompt(tokenizer: Any, start: str, most: int) -> list[int]:
    ids = tokenizer(start, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return list(ids[:most])


def _text(tokenizer: Any, ids: list[int]) -> str:
    # Some tokenizers would "clean up" blanks before punctuation, which the bot put there.
    text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return str(text).strip()


def _write(model: Any, prompts: list[list[int]], end: int, seed: int) -> list[list[int]]:
    """Go on with the prompts until each row has met the end mark; finished rows leave the batch."""
    device = next(model.parameters()).device
    generator = torch.Generator(device=device).manual_seed(seed)
    limit = _limit(model)
    rows = [list(prompt) for prompt in prompts]
    alive = list(range(len(rows)))
    cache = DynamicCache()
    inputs, mask = _left_padded(prompts, end, device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    while alive:
        logits = _next_logits(model, inputs, mask, positions, cache)
        logits[[n for n, row in enumerate(alive) if len(rows[row]) < MIN_TOKENS], end] = -torch.inf
        tokens = _draw(logits, generator)
        for row, token in zip(alive, tokens.tolist(), strict=True):
            rows[row].append(token)
        going = [
            n for n, row in enumerate(alive) if rows[row][-1] != end and len(rows[row]) < limit
        ]
        kept = torch.tensor(going, dtype=torch.long, device=device)
        if len(going) < len(alive):
            cache.batch_select_indices(kept)
            alive = [alive[n] for n in going]
        inputs = tokens[kept, None]
        mask = torch.cat([mask[kept], mask.new_ones(len(going), 1)], dim=1)
        positions = positions[kept, -1:] + 1
    return rows


def _left_padded(
    prompts: list[list[int]], filler: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts with their last tokens in one column, and the mask of what is not padding."""
    width = max(len(prompt) for prompt in prompts)
    ids = [[filler] * (width - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _next_logits(
    model: Any,
    inputs: torch.Tensor,
    mask: torch.Tensor,
    positions: torch.Tensor,
    cache: DynamicCache,
) -> torch.Tensor:
    output = model(
        input_ids=inputs,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return output.logits[:, -1].float()  # type: ignore[no-any-return]  # transformers is untyped


def _draw(logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One token a row from the smallest set that holds TOP_P of the probability."""
    top, tokens = torch.softmax(logits, dim=-1).topk(min(TOP_K, logits.size(-1)))
    before = top.cumsum(-1) - top
    weights = top.masked_fill(before >= TOP_P, 0)
    return tokens.gather(1, torch.multinomial(weights, 1, generator=generator)).squeeze(1)
