"""Whatever the readers of broken files raise, as UnreadableSource with one line."""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from tasks.core.errors import UnreadableSource

_READ_ERRORS = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    pa.ArrowException,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,  # zipfile's, for a missing password or an unknown compression method
    OverflowError,
    LookupError,
)


@contextmanager
def as_unreadable(label: str) -> Iterator[None]:
    """Turn the errors of a reader into UnreadableSource, whose message begins with `label`.

    Not MemoryError, which pyarrow's own is too: that says something about the machine.
    """
    try:
        yield
    except MemoryError:
        raise
    except _READ_ERRORS as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        first_line = reason.strip().split("\n", 1)[0]
        raise UnreadableSource(
            f"{label}: cannot be read ({first_line}): is it complete? download or export it again"
        ) from error
