"""`huggingtweets import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployments import console
from deployments.cli.checks import refuse_missing_source
from deployments.cli.options import Json
from tasks.core.names import Handle


def import_posts(
    file: Annotated[Path, typer.Argument(help="An X archive, or a table of posts")],
    handle: Annotated[
        str | None, typer.Option(help="The account of a table's posts; an archive names its own")
    ] = None,
    as_json: Json = False,
) -> None:
    """Store the posts of an archive or a table."""
    refuse_missing_source(file)
    from deployments.console_log import show_progress
    from tasks.ingest.importing import import_posts as store_posts
    from tasks.sources.file_sources import open_file_source

    show_progress()
    source = open_file_source(file, Handle.parse(handle) if handle else None)
    scraped = store_posts(source.handle, source)
    row = {
        "handle": scraped.handle.name,
        "source": scraped.source,
        "read": scraped.seen,
        "new": scraped.new,
        "stored": scraped.stored,
    }
    console.print_row(row, "Imported", as_json=as_json)
