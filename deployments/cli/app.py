"""The `huggingtweets` command: one module of this folder for each of its commands."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from deployments import console
from deployments.cli import infra
from deployments.cli.backfill import backfill
from deployments.cli.comply import comply
from deployments.cli.curate import curate
from deployments.cli.forget import forget
from deployments.cli.generate import generate
from deployments.cli.import_posts import import_posts
from deployments.cli.nightly import nightly
from deployments.cli.retrain import retrain
from deployments.cli.status import status
from deployments.cli.sweep import sweep
from deployments.cli.sync import sync
from deployments.cli.tidy import tidy
from deployments.serve import serve
from tasks.core.errors import BadInput, HuggingtweetsError, Interrupted
from tasks.core.settings import settings
from tasks.orchestration.signals import EXIT_CODE

app = typer.Typer(
    help="Turn an account's posts into a small language model that writes like it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _common(
    storage: Annotated[
        str | None, typer.Option(help="Storage root: a folder, or a URL such as s3://…")
    ] = None,
) -> None:
    if storage is not None:
        os.environ["HUGGINGTWEETS_STORAGE"] = storage
        settings.cache_clear()


# In the order of `huggingtweets --help`.
app.command()(retrain)
app.command("import")(import_posts)
app.command()(curate)
app.command()(generate)
app.command()(status)
app.command()(serve)
app.command()(nightly)
app.command()(backfill)
app.command()(sweep)
app.command()(comply)
app.command()(forget)
app.add_typer(infra.app, name="infra")
app.command()(sync)
app.command()(tidy)


def main() -> None:
    """Run the command. Errors are one line; exit codes: 0, 1 failed, 2 usage, 130 stopped."""
    os.umask(0o077)  # what we write, and what our processes do, is for this user only
    console.prepare_environment()
    try:
        app()
    except BadInput as error:
        _exit(error, 2)
    except Interrupted as error:
        _exit(error, EXIT_CODE)
    except HuggingtweetsError as error:
        _exit(error, 1)
    except KeyboardInterrupt:
        _exit("stopped; finished work is kept, run it again to continue", EXIT_CODE)


def _exit(error: object, code: int) -> None:
    console.err.print(console.for_terminal(f"huggingtweets: {error}"), soft_wrap=True)
    sys.exit(code)
