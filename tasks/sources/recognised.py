"""What a kind of file source says of files that it knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tasks.core.names import Handle
from tasks.sources.files.containers import SourceFiles
from tasks.sources.source import FileSource


@dataclass(frozen=True)
class Reading:
    """What the operator says of a file.

    text: whether it is plain text, one post on each line, whatever it looks like. columns: names
        of columns by their meaning. day_first: whether `1/2/2020` is in February; None: not said.
    """

    text: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    day_first: bool | None = None

    @property
    def is_of_table(self) -> bool:
        """Whether something is said that only tables have."""
        return bool(self.columns) or self.day_first is not None


@dataclass(frozen=True)
class Recognised:
    """Files of a known kind.

    names: of the files that are read, which the digest is of. open: the source; None for the
        handle if the files may name it. Raises BadInput, UnreadableSource.
    """

    files: SourceFiles
    names: tuple[str, ...]
    open: Callable[[Handle | None], FileSource]


# A kind of file source looks at the files and at what the operator says, and answers None for
# what it does not know. Raises UnreadableSource for what it knows and cannot read.
Recogniser = Callable[[SourceFiles, Reading], Recognised | None]
