"""A byte-level BPE tokenizer as GGUF holds it, and back, to compare what both make of a text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import BadInput

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# GGUF's kinds of tokens.
_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5
# What tokenizers differ in: letters of several scripts, digits, blanks, contractions, emoji, bytes.
HARD_TEXT = (
    "Hello, I'd've   said 12345.67€ (3rd time)!?\n\n\tNaïve façade… don’t @you #tag_1\n"
    "https://x.y/z 日本語のテキスト、ＡＢＣ！ 한국어 العربية עברית हिन्दी ไทย "
    "\U0001f469\u200d\U0001f467 \U0001f916 "
    "\u00a0x\u2028y\u200bz e\u0301 CamelCase snake_case 2026-11-26T04:05 ½ ² ① \x00\x7f   end  "
)


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer.

    pre: llama.cpp's name of how a text is split before pairs are merged.
    tokens, kinds: by id. merges: `left right`, the first ones first.
    begin, end: the ids of the marks around a document.
    """

    pre: str
    tokens: tuple[str, ...]
    kinds: tuple[int, ...]
    merges: tuple[str, ...]
    begin: int
    end: int


def read_vocabulary(folder: Path, config: Mapping[str, Any], size: int) -> Vocabulary:
    """The tokenizer of a model's folder.

    config: of `config.json`. size: of the model's embeddings.
    Raises BadInput for a tokenizer that GGUF has no name for here.
    """
    saved = read_json(folder / "tokenizer.json")
    try:
        return _vocabulary(saved, config, size)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(
            f"{folder}: tokenizer.json cannot be read as a tokenizer ({type(error).__name__})"
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises BadInput."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read ({type(error).__name__})") from error
    if not isinstance(found, dict):
        raise BadInput(f"{path}: not a JSON object")
    return found


def _vocabulary(saved: dict[str, Any], config: Mapping[str, Any], size: int) -> Vocabulary:
    model = saved["model"]
    if model["type"] != "BPE" or saved.get("normalizer"):
        raise BadInput("GGUF is written for byte-level BPE tokenizers without a normalizer")
    added = {each["id"]: each for each in saved["added_tokens"]}
    names = {number: name for name, number in model["vocab"].items()}
    names |= {number: each["content"] for number, each in added.items()}
    if max(names) >= size:
        raise BadInput(f"the tokenizer has {max(names) + 1} tokens, and the model {size}")
    tokens = tuple(names.get(number, f"[unused {number}]") for number in range(size))
    kinds = tuple(_kind(number, names, added) for number in range(size))
    merges = tuple(each if isinstance(each, str) else " ".join(each) for each in model["merges"])
    begin, end = (int(config[f"{mark}_token_id"]) for mark in ("bos", "eos"))
    return Vocabulary(_pre(saved["pre_tokenizer"]), tokens, kinds, merges, begin, end)


def _kind(number: int, names: Mapping[int, str], added: Mapping[int, Mapping[str, Any]]) -> int:
    if number in added:
        return _CONTROL if added[number]["special"] else _USER_DEFINED
    return _NORMAL if number in names else _UNUSED


def _pre(splitter: dict[str, Any]) -> str:
    """The name of a way to split texts. Raises BadInput for one that is not known."""
    steps = splitter["pretokenizers"] if splitter["type"] == "Sequence" else [splitter]
    *before, last = steps
    if last["type"] == "ByteLevel" and last["use_regex"] and not last["add_prefix_space"]:
        if not before:
            return "gpt-2"
        if len(before) == 1 and before[0] == {"type": "Digits", "individual_digits": True}:
            return "smollm"
    kinds = ", ".join(str(step["type"]) for step in steps)
    raise BadInput(f"GGUF is not written for a tokenizer that splits texts by {kinds}")


def tokenizer_of(vocabulary: Vocabulary) -> Tokenizer:
    """The tokenizer that a vocabulary describes, built anew. Raises BadInput."""
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers.models import BPE

    words = {name: number for number, name in enumerate(vocabulary.tokens)}
    pairs = [tuple(merge.split(" ")) for merge in vocabulary.merges]
    try:
        tokenizer = Tokenizer(BPE(words, pairs))  # type: ignore[arg-type]  # they are pairs
    except Exception as error:  # the library raises nothing more precise
        raise BadInput(f"the tokenizer cannot be built anew ({error})") from error
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = (
        byte_level if vocabulary.pre == "gpt-2" else pre_tokenizers.Sequence([digits, byte_level])
    )
    return tokenizer
