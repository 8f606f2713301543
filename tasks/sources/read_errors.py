"""What broken files make their readers raise, as one line for the user."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from tasks.core.errors import UnreadableSource

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    pa.ArrowException,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,  # zipfile's word for a password or a method of compression that it lacks
    OverflowError,
    LookupError,
)


@contextmanager
def explained(label: str) -> Iterator[None]:
    """Turn whatever a broken file makes its reader raise into UnreadableSource, naming the file."""
    try:
        yield
    except _BROKEN as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        first_line = reason.strip().split("\n", 1)[0]
        raise UnreadableSource(
            f"{label}: cannot be read ({first_line}): is it complete? download or export it again"
        ) from error
