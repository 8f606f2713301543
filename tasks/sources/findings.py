"""What a source of files understood of them, counted while its posts are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Cells that hold something, and of these the ones that were understood."""

    given: int = 0
    understood: int = 0

    def add(self, other: Tally) -> None:
        """Count the cells of another tally too."""
        self.given += other.given
        self.understood += other.understood


@dataclass
class Findings:
    """What was understood of the files.

    columns: of a table, the names of the columns by what they are used for. dates, ids,
    languages: of the posts. dates_from_ids: posts whose date is that of their id. notices: what
    the operator should know about how the files were read, each a line.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    dates: Tally = field(default_factory=Tally)
    ids: Tally = field(default_factory=Tally)
    languages: Tally = field(default_factory=Tally)
    dates_from_ids: int = 0
    notices: list[str] = field(default_factory=list)
