"""Texts that are equal but for capitals."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc


def group_numbers(texts: Any) -> npt.NDArray[np.int64]:
    """A number for each cleaned text; the same for texts that are equal but for capitals."""
    encoded = pc.utf8_lower(texts).dictionary_encode()
    return np.asarray(encoded.indices, dtype=np.int64)


def is_duplicate(texts: Any) -> npt.NDArray[np.bool_]:
    """For each text whether an earlier one is equal to it."""
    duplicate = np.ones(len(texts), dtype=np.bool_)
    duplicate[np.unique(group_numbers(texts), return_index=True)[1]] = False
    return duplicate


def is_unique(texts: Any) -> npt.NDArray[np.bool_]:
    """For each text whether no other is equal to it."""
    numbers = group_numbers(texts)
    return np.asarray(np.bincount(numbers)[numbers] == 1)
