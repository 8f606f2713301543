"""Posts as token ids, each a document of its own: mark, post, mark.

Base and bot are measured on exactly these tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.core.errors import BadInput, BaseUnavailable

# What GPT-2 and SmolLM2 were pretrained with between documents. A chat model names its turn's end
# as eos, which is not what its plain texts ended with.
DOCUMENT_MARK = "<|endoftext|>"
MIN_CONTEXT = 16

Document = list[int]


@dataclass(frozen=True)
class Marks:
    """The tokens around a document.

    begin, end: their ids; begin_text, end_text: how the tokenizer writes them.
    """

    begin: int
    end: int
    begin_text: str
    end_text: str


def marks_of(tokenizer: Any) -> Marks:
    """The document marks of a tokenizer, with or without a BOS of its own.

    Raises BaseUnavailable where it has no end mark at all.
    """
    # By name: a list of the whole vocabulary takes longer than the reading of some posts.
    mark = tokenizer.convert_tokens_to_ids(DOCUMENT_MARK)
    if mark is not None and tokenizer.convert_ids_to_tokens(mark) == DOCUMENT_MARK:
        return Marks(mark, mark, DOCUMENT_MARK, DOCUMENT_MARK)
    end = tokenizer.eos_token_id
    if end is None:
        raise BaseUnavailable("the base's tokenizer has no end-of-text token: choose another base")
    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else end
    return Marks(begin, end, *tokenizer.convert_ids_to_tokens([begin, end]))


def context_of(config: Any, max_tokens: int) -> int:
    """The longest document, in tokens: the spec's limit, or the model's where that is smaller.

    Raises BaseUnavailable for a model that cannot hold a post, BadInput for a spec that cannot.
    """
    limit = getattr(config, "max_position_embeddings", None) or max_tokens
    if max_tokens < MIN_CONTEXT:
        raise BadInput(f"posts cut at {max_tokens} tokens are too short: use {MIN_CONTEXT} or more")
    if limit < MIN_CONTEXT:
        raise BaseUnavailable(f"the base reads {limit} tokens at once, too few for a post")
    return int(min(limit, max_tokens))


def check_vocabulary(tokenizer: Any, config: Any) -> None:
    """Raises BaseUnavailable where the tokenizer knows tokens that the model has no weights for."""
    if len(tokenizer) > config.vocab_size:
        raise BaseUnavailable(
            f"the base's tokenizer has {len(tokenizer)} tokens, its model {config.vocab_size}: "
            "they do not belong together"
        )


def encode(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[Document]:
    """Token ids of each text between its marks, cut at `max_tokens`, marks included.

    What looks like a special token in a post is read as plain text.
    """
    if not texts:
        return []
    marks = marks_of(tokenizer)
    encoded = tokenizer(
        list(texts),
        add_special_tokens=False,
        split_special_tokens=True,
        return_attention_mask=False,
        verbose=False,
    )["input_ids"]
    return [[marks.begin, *ids[: max_tokens - 2], marks.end] for ids in encoded]


def scored(documents: Sequence[Document]) -> int:
    """The tokens that a loss counts: all but each document's first."""
    return sum(len(document) - 1 for document in documents)
