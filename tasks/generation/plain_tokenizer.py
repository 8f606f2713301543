"""A release's tokenizer without transformers: see `lean_llama`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

_FILE, _CONFIG = "tokenizer.json", "tokenizer_config.json"
# The class that takes its file as it is; others change it.
_AS_IT_IS = "TokenizersBackend"
_SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token")


class PlainTokenizer:
    """What the code that writes asks of a tokenizer, by the names that transformers gives it."""

    def __init__(self, tokenizer: Tokenizer, special: dict[str, str]) -> None:
        self._tokenizer = tokenizer
        self._special = special
        self._tokenizer.encode_special_tokens = True  # what looks like a special token is text

    @property
    def bos_token_id(self) -> int | None:
        """The token before a text."""
        return self._id_of("bos_token")

    @property
    def eos_token_id(self) -> int | None:
        """The token after a text."""
        return self._id_of("eos_token")

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of the tokens that have a part to play."""
        found = (self._id_of(name) for name in self._special)
        return sorted({each for each in found if each is not None})

    @property
    def added_tokens_decoder(self) -> dict[int, Any]:
        """The tokens beside those of the vocabulary, by id."""
        return dict(self._tokenizer.get_added_tokens_decoder())

    def get_vocab(self) -> dict[str, int]:
        """All tokens."""
        return self._tokenizer.get_vocab(with_added_tokens=True)

    def convert_tokens_to_ids(self, token: str) -> int | None:
        """A token's id, None if there is no such token."""
        return self._tokenizer.token_to_id(token)

    def convert_ids_to_tokens(self, ids: int | list[int]) -> Any:
        """A token, or those of a list of ids."""
        if isinstance(ids, int):
            return self._tokenizer.id_to_token(ids)
        return [self._tokenizer.id_to_token(each) for each in ids]

    def __call__(self, text: str, **_options: Any) -> dict[str, list[int]]:
        """The ids of a text without special tokens."""
        return {"input_ids": self._tokenizer.encode(text, add_special_tokens=False).ids}

    def decode(self, ids: list[int], **_options: Any) -> str:
        """The text of ids, without special ones."""
        return self._tokenizer.decode(ids, skip_special_tokens=True)

    def _id_of(self, name: str) -> int | None:
        return self._tokenizer.token_to_id(self._special[name]) if name in self._special else None


def plain_tokenizer(folder: Path) -> PlainTokenizer | None:
    """The tokenizer of a release's folder; None for one that transformers has to load."""
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        if config.get("tokenizer_class") != _AS_IT_IS:
            return None
        content = (folder / _FILE).read_text(encoding="utf-8")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    special = {name: config[name] for name in _SPECIAL if isinstance(config.get(name), str)}
    try:
        return PlainTokenizer(Tokenizer.from_str(content), special)
    except Exception:  # noqa: BLE001 - tokenizers raises this very class; transformers says what is wrong
        return None
