"""What was done to a service, and what came of it, as a table that `pytest -s` shows at the end."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.table import Table


@dataclass
class FaultTable:
    """A row for each fault; the first columns say what was injected, the others what came out."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """One fault."""
        assert len(cells) == len(self.columns)
        self.rows.append(tuple(map(str, cells)))

    def show(self) -> None:
        """Print it, on lines of its own, whatever stands in the terminal before."""
        table = Table(*self.columns, title=self.title, box=box.ASCII2, title_justify="left")
        for row in self.rows:
            table.add_row(*row)
        Console(width=180).print("\n", table)
