"""`huggingtweets import`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from deployments import console
from deployments.cli.checks import refuse_missing_source
from deployments.cli.options import Json
from tasks.core.errors import BadInput
from tasks.core.names import Handle

_SHOWN = 280  # characters of a sample


class FileFormat(StrEnum):
    """What a file may be said to be, against its looks."""

    AUTO = "auto"
    TEXT = "text"


def import_posts(
    file: Annotated[
        Path, typer.Argument(help="An X archive, or a table: a file, a folder, a zip or a tar")
    ],
    handle: Annotated[
        str | None, typer.Option(help="The account of a table's posts; an archive names its own")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="MEANING=NAME",
            help="What a table's column is: text, date, id, language …; repeatable; "
            "without NAME the column is left out",
        ),
    ] = None,
    day_first: Annotated[
        bool | None,
        typer.Option("--day-first/--month-first", help="How dates like 1/2/2020 are meant"),
    ] = None,
    file_format: Annotated[
        FileFormat, typer.Option("--format", help="`text`: each line is a post, whatever it is")
    ] = FileFormat.AUTO,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be stored, and store nothing")
    ] = False,
    as_json: Json = False,
) -> None:
    """Store the posts of an archive or a table."""
    refuse_missing_source(file)
    from deployments.console_log import show_progress
    from tasks.ingest.import_report import ReportedSource
    from tasks.ingest.importing import import_posts as store_posts
    from tasks.sources.file_sources import open_file_source
    from tasks.sources.recognised import Reading

    show_progress()
    reading = Reading(file_format is FileFormat.TEXT, _columns(columns or []), day_first)
    opened = open_file_source(file, Handle.parse(handle) if handle else None, reading)
    source = ReportedSource(opened)
    if dry_run:
        read = sum(map(len, source.batches(None)))
        row: dict[str, Any] = {"handle": source.handle.name, "source": source.name, "read": read}
    else:
        scraped = store_posts(source.handle, source, file)
        row = {
            "handle": scraped.handle.name,
            "source": scraped.source,
            "read": scraped.seen,
            "new": scraped.new,
            "stored": scraped.stored,
        }
    report = source.report()
    if as_json:
        console.print_json({**row, "dry_run": dry_run, **report})
        return
    console.say("Would be imported" if dry_run else "Imported")
    console.print_fields({**row, **_in_words(report)})
    if not dry_run:
        from tasks.operations.first_retrain import first_retrain

        name = row["handle"]
        console.note(
            f"Next: `huggingtweets curate {name}` shows what a bot would be trained on,\n"
            f"      `{first_retrain(name)}` makes it."
        )


def _columns(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for meaning, separator, name in pairs:
        if not (meaning and separator):
            raise BadInput(
                f"--column {meaning or name!r}: say MEANING=NAME, such as date=created, or "
                "MEANING= to leave a column out"
            )
    return {meaning.strip(): name.strip() for meaning, _, name in pairs}


def _in_words(report: dict[str, Any]) -> dict[str, Any]:
    """The report for people: what is empty is left out."""
    facts = {
        "columns": [f"{name} ({meaning})" for meaning, name in report["columns"].items()],
        "dates": _dates(report["dates"]),
        "ids": _ids(report["ids"]),
        "kinds": _numbers(report["kinds"]),
        "languages": _numbers(report["languages"]),
        "notices": report["notices"],
        "samples": [_shortened(sample) for sample in report["samples"]],
    }
    return {name: text for name, text in facts.items() if text}


def _shortened(sample: str) -> str:
    line = " ".join(sample.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _dates(dates: dict[str, Any]) -> str:
    parts = [f"{dates['understood']:,} of {dates['given']:,} understood"] if dates["given"] else []
    parts += [f"{dates['from_ids']:,} from the posts' ids"] if dates["from_ids"] else []
    if dates["first"]:
        parts += [f"{dates['first'][:10]} to {dates['last'][:10]}"]
    return ", ".join(parts) or "none"


def _ids(ids: dict[str, int]) -> str:
    parts = [f"{ids['understood']:,} of {ids['given']:,} kept"] if ids["given"] else []
    parts += [f"{ids['made']:,} made of the posts"] if ids["made"] else []
    return ", ".join(parts)


def _numbers(counted: dict[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counted.items())
