"""A release in memory that writes posts, each given as soon as it is finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch

from tasks.generation.decoding import Draw, Limits, Watch, write_each
from tasks.generation.fast_products import use_fast_products
from tasks.generation.lean_llama import LeanLlama, UsualLlama, usual_llama
from tasks.generation.mention_guard import MentionGuard, mention_guard
from tasks.generation.plain_tokenizer import plain_tokenizer
from tasks.generation.sampling import BATCH, MAX_TOKENS, MIN_TOKENS, prompt_of, text_of
from tasks.training.compute.gpu import best_device
from tasks.training.compute.precision import has_fast_bf16
from tasks.training.data.documents import context_of, marks_of

_BETWEEN = 0.2  # seconds between two looks at posts that are being written


class Post(NamedTuple):
    """A finished post. number: its place among those that were asked for, from 0."""

    number: int
    text: str


def in_order(posts: Iterable[Post]) -> Iterator[str]:
    """The texts by their numbers, each as soon as it and those before it are finished."""
    waiting: dict[int, str] = {}
    following = 0
    for number, text in posts:
        waiting[number] = text
        while following in waiting:
            yield waiting.pop(following)
            following += 1


class ReleaseWriter:
    """Writes posts with one release; it is loaded once.

    longest: tokens of a post at most, for which the model has room.
    """

    def __init__(self, folder: Path, base_id: str | None = None) -> None:
        """Load the release of a folder.

        base_id: of an adapter, the base that it was trained on; None for the one that it names.
        Raises BaseUnavailable, NetworkTrouble.
        """
        device = best_device()
        dtype = torch.bfloat16 if has_fast_bf16(device) else torch.float32
        found = _lean(folder, device, dtype) or _usual(folder, device, dtype, base_id)
        self._writer, self._tokenizer, self._guard, config = found
        self._marks = marks_of(self._tokenizer)
        self.longest = context_of(config, 1_000_000)

    def posts(
        self,
        start: str,
        number: int,
        seed: int,
        *,
        keep_mentions: bool = False,
        max_tokens: int = MAX_TOKENS,
        drawing: Draw | None = None,
        show: Callable[[list[str]], None] | None = None,
    ) -> Iterator[Post]:
        """So many posts, the start included, each when it is finished; a seed repeats them.

        They are written a hundred at a time; of those the shortest is finished first. See
        `in_order`.

        max_tokens: of a post; a start may have half of them, of a longer one the end is left out.
        keep_mentions: whether `@somebody` may be written, or any at sign; a start may in any case.
        drawing: by default temperature 1 and nucleus 0.95.
        show: is given the posts that are written together, in order, as far as they are written,
            finished ones included; a few times a second.
        """
        most = min(max_tokens, self.longest)
        prompt = [self._marks.begin, *prompt_of(self._tokenizer, start, most // 2)]
        limits = Limits(end=self._marks.end, least=min(MIN_TOKENS, most), most=most)
        generator = torch.Generator().manual_seed(seed)
        for first in range(0, number, BATCH):
            rows = write_each(
                self._writer,
                [prompt] * min(BATCH, number - first),
                limits,
                generator=generator,
                guard=None if keep_mentions else self._guard,
                drawing=drawing,
                watch=self._watch(show) if show else None,
            )
            for number_there, ids in rows:
                yield Post(first + number_there, text_of(self._tokenizer, ids[1:]))

    def _watch(self, show: Callable[[list[str]], None]) -> Watch:
        shown_at = 0.0

        def watch(texts: Callable[[], list[list[int]]]) -> None:
            nonlocal shown_at
            if time.monotonic() - shown_at < _BETWEEN:
                return
            # The last token may be the beginning of a letter.
            show([text_of(self._tokenizer, row[1:]).rstrip("\ufffd") for row in texts()])
            shown_at = time.monotonic()

        return watch


class _Loaded(NamedTuple):
    """What writes. config: of its texts."""

    writer: Any
    tokenizer: Any
    guard: MentionGuard
    config: Any


def _lean(folder: Path, device: torch.device, dtype: torch.dtype) -> _Loaded | None:
    """Without transformers; None where they cannot do without."""
    usual = usual_llama(folder)
    if usual is None:
        return None
    with ThreadPoolExecutor(1) as pool:
        # Another core converts the weights meanwhile.
        making = pool.submit(_lean_writer, usual, device, dtype)
        tokenizer = plain_tokenizer(folder)
        guard = mention_guard(tokenizer, usual.config["vocab_size"]) if tokenizer else None
        writer = making.result()
    return _Loaded(writer, tokenizer, guard, writer.config) if guard else None


def _lean_writer(usual: UsualLlama, device: torch.device, dtype: torch.dtype) -> LeanLlama:
    writer = LeanLlama(*usual, device, dtype)
    use_fast_products(writer)
    return writer


def _usual(folder: Path, device: torch.device, dtype: torch.dtype, base_id: str | None) -> _Loaded:
    from tasks.generation.release_model import load_release
    from tasks.generation.writers import writer_of
    from tasks.training.bases.loading import load_tokenizer

    model = load_release(folder, device, dtype, base_id)
    tokenizer = load_tokenizer(folder)
    guard = mention_guard(tokenizer, int(model.get_output_embeddings().weight.shape[0]))
    return _Loaded(writer_of(model), tokenizer, guard, model.config.get_text_config())
