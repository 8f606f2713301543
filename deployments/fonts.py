"""Brings the picture's fonts into the cache; `make install` runs it as `deployments.fonts`."""

from __future__ import annotations

from rich.console import Console

from tasks.core.settings import settings
from tasks.publishing.fonts import fetch_fonts


def main() -> None:
    """Fetch what is missing and say so; nothing happens where all fonts are there."""
    console = Console(stderr=True)
    fetch_fonts(settings().cache / "fonts", lambda line: console.print(line, markup=False))


if __name__ == "__main__":
    main()
