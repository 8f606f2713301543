"""Names of repositories on the Hub, told from paths and URLs; its client checks the rest."""

from __future__ import annotations

import re

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_REPOSITORY = re.compile(rf"{_PART}/{_PART}")
_MODEL = re.compile(rf"(?:{_PART}/)?{_PART}")


def is_repository(text: str) -> bool:
    """Whether this is an owner and a name, such as `alice/huggingtweets`."""
    return _REPOSITORY.fullmatch(text) is not None


def is_model(text: str) -> bool:
    """Whether this can be a model's id; the oldest have no owner, such as `gpt2`."""
    return _MODEL.fullmatch(text) is not None
