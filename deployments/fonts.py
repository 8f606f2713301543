"""Downloads the picture's fonts into the cache: `python -m deployments.fonts`."""

from __future__ import annotations

from rich.console import Console

from tasks.core.settings import settings
from tasks.publishing.fonts import fetch_fonts


def main() -> None:
    """Download the missing fonts, if any."""
    console = Console(stderr=True)
    fetch_fonts(settings().cache / "fonts", lambda line: console.print(line, markup=False))


if __name__ == "__main__":
    main()
