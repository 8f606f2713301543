"""The `huggingtweets` command."""

from __future__ import annotations

import asyncio
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from deployments import console
from deployments.cli import nights as many
from deployments.cli import removal
from deployments.cli.status import status
from deployments.cli.sweep import sweep
from deployments.cli.sync import sync
from deployments.serve import serve
from deployments.server import apply as infra
from tasks.core.errors import BadInput, HuggingtweetsError, PermanentError
from tasks.core.names import Bot, Handle
from tasks.core.records import Outcome, Spec, Status
from tasks.core.settings import settings

app = typer.Typer(
    help="Turn an account's posts into a small language model that writes like it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class FilterName(StrEnum):
    """The filters that can be asked for."""

    MODERN = "modern"
    CLASSIC = "classic"


class Mode(StrEnum):
    """What of a base is trained."""

    FULL = "full"
    ADAPTER = "adapter"


BotName = Annotated[str, typer.Argument(metavar="BOT", help="`alice`, or `alice-bob` for several")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table")]
FilterOption = Annotated[FilterName | None, typer.Option("--filter", help="Which filter curates")]
Languages = Annotated[
    list[str] | None, typer.Option("--language", help="Keep only this language; repeatable")
]


@app.callback()
def _common(
    storage: Annotated[
        str | None, typer.Option(help="Storage root: a folder, or a URL such as s3://…")
    ] = None,
) -> None:
    if storage is not None:
        os.environ["HUGGINGTWEETS_STORAGE"] = storage
        settings.cache_clear()


@app.command()
def retrain(
    bots: Annotated[list[str], typer.Argument(metavar="BOT…", help="`alice`, or `alice-bob`")],
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Archive or table to import first, `x_api` or `bluesky`; HANDLE=… for several"
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Hub id or folder of the base, or `embedded`")
    ] = None,
    filter_name: FilterOption = None,
    language: Languages = None,
    epochs: Annotated[int, typer.Option(min=1, help="At most so many epochs")] = Spec.epochs,
    learning_rate: Annotated[float | None, typer.Option(help="The highest learning rate")] = None,
    mode: Annotated[
        Mode, typer.Option(help="All weights, or small additions to the base (LoRA)")
    ] = Mode.FULL,
    seed: Annotated[int, typer.Option(help="Seed of training and predictions")] = 0,
    push: Annotated[bool, typer.Option("--push", help="Release to the Hub as well")] = False,
    force: Annotated[bool, typer.Option("--force", help="Release even if unchanged")] = False,
    as_json: Json = False,
) -> None:
    """Bring bots up to date: import, curate, train, evaluate, track, publish."""
    names = [Bot.parse(name) for name in bots]
    spec = Spec(learning_rate=learning_rate, seed=seed, epochs=epochs, mode=mode.value)
    outcomes = run_retrain(
        names,
        _sources(names, source or []),
        base=base,
        filter=filter_name.value if filter_name else None,
        languages=tuple(language or ()),
        push=push,
        force=force,
        training=spec,
    )
    if as_json:
        console.print_json(outcomes)
    else:
        console.print_outcomes(outcomes)
    if any(outcome.status is Status.FAILED for outcome in outcomes):
        raise typer.Exit(1)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="An X archive, or a table of posts")],
    handle: Annotated[str | None, typer.Option(help="Whose posts; an archive knows")] = None,
    as_json: Json = False,
) -> None:
    """Store the posts of an archive or a table."""
    from tasks.scrape import import_posts
    from tasks.sources.file_sources import open_file_source

    console.show_progress()
    source = open_file_source(file, Handle.parse(handle) if handle else None)
    scraped = import_posts(source.handle, source)
    row = {
        "handle": scraped.handle.name,
        "source": scraped.source,
        "read": scraped.seen,
        "new": scraped.new,
        "stored": scraped.stored,
    }
    _show(row, "Imported", as_json=as_json)


@app.command()
def curate(
    bot: BotName,
    filter_name: FilterOption = None,
    language: Languages = None,
    as_json: Json = False,
) -> None:
    """Show what a bot would be trained on, without training."""
    from tasks.curate import curate_posts
    from tasks.curation.corpus import summary

    chosen = filter_name.value if filter_name else settings().filter
    languages = tuple(language or settings().languages)
    parsed = Bot.parse(bot)
    curated = curate_posts(parsed, chosen, languages)
    if curated.warning:
        console.err.print(curated.warning)
    _show(summary(curated), f"@{parsed}, filter {chosen}", as_json=as_json)


@app.command()
def generate(
    bot: BotName,
    start: Annotated[str, typer.Argument(help="How the posts begin")] = "",
    number: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many posts")] = 5,
    seed: Annotated[int | None, typer.Option(help="Repeat a draw; else each is new")] = None,
    keep_mentions: Annotated[
        bool, typer.Option("--keep-mentions", help="Let posts mention others, as @somebody")
    ] = False,
    base: Annotated[
        str | None, typer.Option(help="Of an adapter: what it was trained on; else the setting")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let the latest release of a bot write."""
    from tasks.publishing.releases import latest_release
    from tasks.storage import storage_root

    parsed = Bot.parse(bot)
    storage = storage_root()
    if (release := latest_release(storage, parsed)) is None:
        raise PermanentError(
            f"@{parsed} has no release in {storage.url}: `huggingtweets retrain {parsed}` makes one"
        )
    from tasks.generation.sampling import generate as write

    with storage.folder(release.folder) as folder:
        drawn = int.from_bytes(os.urandom(4)) if seed is None else seed
        posts = write(folder, start, number, drawn, keep_mentions=keep_mentions, base_id=base)
    if as_json:
        console.print_json(posts)
        return
    for post in posts:
        console.out.print(console.for_terminal(post), soft_wrap=True)


app.command()(status)
app.command()(serve)
app.command()(many.nightly)
app.command()(many.backfill)
app.command()(sweep)
app.command()(removal.comply)
app.command()(removal.forget)
app.add_typer(infra.app, name="infra")
app.command()(sync)


def run_retrain(bots: list[Bot], sources: dict[str, str], **options: Any) -> list[Outcome]:
    """Run the `retrain` flow in this process; `sources` are files by handle."""
    console.start_prefect()
    from flows.requests import BotRequest, RetrainOptions
    from flows.retrain import retrain as flow

    requests = [
        BotRequest(
            name=bot.name,
            sources={h.name: sources[h.name] for h in bot.handles if h.name in sources},
        )
        for bot in bots
    ]

    async def run() -> list[Outcome]:
        state = await flow(requests, RetrainOptions(**options), return_state=True)
        outcomes = await state.aresult(raise_on_failure=False)
        if isinstance(outcomes, BaseException):
            raise outcomes
        return list(outcomes)

    return asyncio.run(run())


def _sources(bots: list[Bot], given: list[str]) -> dict[str, str]:
    from tasks.scrape import SERVICES

    handles = {handle.name for bot in bots for handle in bot.handles}
    sources: dict[str, str] = {}
    for text in given:
        name, separator, path = text.partition("=")
        if not separator and len(handles) == 1:
            name, path = next(iter(handles)), text
        if name.lower() not in handles:
            raise BadInput(
                f"--source {text!r}: say whose posts it holds, as HANDLE=PATH; "
                f"handles here: {', '.join(sorted(handles))}"
            )
        sources[name.lower()] = path if path in SERVICES else str(Path(path).absolute())
    return sources


def _show(row: dict[str, Any], title: str, *, as_json: bool) -> None:
    if as_json:
        console.print_json(row)
    else:
        console.print_table(title, [row])


def main() -> None:
    """Run the command; what goes wrong is told in one line. Exit codes: 0, 1 failed, 2 usage."""
    console.prepare_environment()
    try:
        app()
    except BadInput as error:
        _fail(error, 2)
    except HuggingtweetsError as error:
        _fail(error, 1)
    except KeyboardInterrupt:
        _fail("stopped; what was done so far is kept, run it again to go on", 130)


def _fail(error: object, code: int) -> None:
    console.err.print(console.for_terminal(f"huggingtweets: {error}"), soft_wrap=True)
    sys.exit(code)
