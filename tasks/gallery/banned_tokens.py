"""The tokens that a bot may not write on a page.

Those with an at sign: the mention guard's rule, as far as a fixed list can have it. And those with
bytes that are in no text, on which the writer would end.
"""

from __future__ import annotations

import json
from typing import Any

from tokenizers import pre_tokenizers

_SIGNS = ("@", "＠")
_NO_TEXT = (0xC0, 0xC1, *range(0xF5, 0x100))  # bytes that UTF-8 has not


def banned_tokens(tokenizer: bytes) -> tuple[int, ...]:
    """The ids of a `tokenizer.json` whose tokens hold an at sign, also a full-width one.

    Raises ValueError for what is no tokenizer.
    """
    saved: Any = json.loads(tokenizer)
    try:
        words = saved["model"]["vocab"].items()
        added = [(each["content"], each["id"]) for each in saved["added_tokens"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a tokenizer") from error
    spelled = [*map(_as_letters, _SIGNS), *map(chr, _NO_TEXT)]
    found = {number for word, number in words if any(sign in word for sign in spelled)}
    found |= {number for text, number in added if any(sign in text for sign in _SIGNS)}
    return tuple(sorted(int(number) for number in found))


def _as_letters(sign: str) -> str:
    """A sign as byte-level vocabularies spell its bytes."""
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return "".join(letters for letters, _ in byte_level.pre_tokenize_str(sign))
