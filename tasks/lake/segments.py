"""Pieces: what one scrape brought, in whichever file it lies now.

A scrape writes its rows as a file of its own. Later the small files of an account are merged into
one, which holds their rows one after the other and remembers what it was made of. A piece keeps
its name and its bytes as they were in the first file, so that whoever compares datasets by their
pieces sees no difference between merged files and the files that they came from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Piece:
    """The rows of one scrape.

    name: of the file that the scrape wrote, without its ending. scraped_at: of all its rows.
    rows, bytes: of that file.
    """

    name: str
    scraped_at: datetime
    rows: int
    bytes: int


def dumped(pieces: Iterable[Piece]) -> bytes:
    """Pieces as they stand in a file's metadata."""
    return json.dumps(
        [
            [piece.name, (piece.scraped_at - _EPOCH) // _MICROSECOND, piece.rows, piece.bytes]
            for piece in pieces
        ]
    ).encode()


def loaded(text: str) -> tuple[Piece, ...]:
    """The pieces that `dumped` wrote. Raises ValueError for anything else."""
    try:
        return tuple(
            Piece(str(name), _EPOCH + int(instant) * _MICROSECOND, int(rows), int(size))
            for name, instant, rows, size in json.loads(text)
        )
    except (TypeError, OverflowError) as error:
        raise ValueError(f"no list of pieces: {error}") from error
