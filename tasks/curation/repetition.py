"""Texts that say the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc


def same_texts(texts: Any) -> npt.NDArray[np.int64]:
    """A number for each cleaned text; equal where the texts differ in capitals at most."""
    encoded = pc.utf8_lower(texts).dictionary_encode()
    return np.asarray(encoded.indices, dtype=np.int64)


def is_repetition(texts: Any) -> npt.NDArray[np.bool_]:
    """For each text whether one before it says the same."""
    repeated = np.ones(len(texts), dtype=np.bool_)
    repeated[np.unique(same_texts(texts), return_index=True)[1]] = False
    return repeated


def stands_once(texts: Any) -> npt.NDArray[np.bool_]:
    """For each text whether no other says the same."""
    numbers = same_texts(texts)
    return np.asarray(np.bincount(numbers)[numbers] == 1)
