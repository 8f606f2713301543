"""The `huggingtweets` command: one module of this folder for each of its commands."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable
from typing import Annotated

import typer
from typer.exceptions import TyperException

from deployments import console
from deployments.cli import common, infra
from deployments.cli.backfill import backfill
from deployments.cli.chat import chat
from deployments.cli.comply import comply
from deployments.cli.curate import curate
from deployments.cli.delete import delete
from deployments.cli.doctor import doctor
from deployments.cli.export import export
from deployments.cli.forget import forget
from deployments.cli.generate import generate
from deployments.cli.import_posts import import_posts
from deployments.cli.nightly import nightly
from deployments.cli.nights import nights
from deployments.cli.posts import posts
from deployments.cli.refresh import refresh
from deployments.cli.releases import releases, rollback
from deployments.cli.retrain import retrain
from deployments.cli.serve import serve
from deployments.cli.site import site
from deployments.cli.status import status
from deployments.cli.sweep import sweep
from deployments.cli.sync import sync
from deployments.cli.tidy import tidy
from deployments.cli.web import web
from tasks.core.errors import BadInput, HuggingtweetsError, Interrupted, WrongStorage
from tasks.orchestration.signals import EXIT_CODE

app = typer.Typer(
    help="Turn an account's posts into a small language model that writes like it.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,  # plain text, which pipes, and needs no library
    pretty_exceptions_enable=False,
)

# What the parser says of values, and how people say it.
_PLAINER = (
    (r"Input should be a valid integer.*", "use a whole number"),
    (r"Input should be a valid number.*", "use a number"),
    (r"Input should be greater than or equal to (\S+)", r"use \1 or more"),
    (r"Input should be less than or equal to (\S+)", r"use \1 or less"),
    (r"Value error, ", ""),
)

# In the order of `huggingtweets --help`.
COMMANDS: dict[str, Callable[..., object]] = {
    "import": import_posts,
    "posts": posts,
    "curate": curate,
    "retrain": retrain,
    "generate": generate,
    "chat": chat,
    "status": status,
    "releases": releases,
    "rollback": rollback,
    "export": export,
    "refresh": refresh,
    "delete": delete,
    "site": site,
    "serve": serve,
    "web": web,
    "nightly": nightly,
    "nights": nights,
    "backfill": backfill,
    "sweep": sweep,
    "comply": comply,
    "forget": forget,
    "sync": sync,
    "tidy": tidy,
    "doctor": doctor,
}


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        console.say(f"huggingtweets {version('huggingtweets')}")
        raise typer.Exit


@app.callback()
def _common(
    storage: common.Storage = None,
    quiet: common.Quiet = False,
    verbose: common.Verbose = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it")
    ] = False,
) -> None:
    del version
    common.apply_common(storage, quiet=quiet, verbose=verbose)


for _name, _command in COMMANDS.items():
    app.command(_name)(common.with_common_options(_command))
app.add_typer(infra.app, name="infra")


def main() -> None:
    """Run the command. Errors are one line; exit codes: 0, 1 failed, 2 usage, 130 stopped."""
    os.umask(0o077)  # what we write, and what our processes do, is for this user only
    console.prepare_environment()
    try:
        sys.exit(_run(sys.argv[1:] or ["--help"]))
    finally:
        console.set_verbosity(0)  # of this call only, where a process makes several


def _run(words: list[str]) -> int:
    try:
        _refuse_unsupported_system()
        return int(app(words, prog_name="huggingtweets", standalone_mode=False) or 0)
    except TyperException as error:
        return _report(_usage(error), 2)
    except (BadInput, WrongStorage) as error:
        return _report(error, 2)
    except Interrupted as error:
        return _report(error, EXIT_CODE)
    except HuggingtweetsError as error:
        return _report(error, 1)


def _refuse_unsupported_system() -> None:
    """Raises BadInput where the system is none of those that docs/commands.md names."""
    if sys.platform == "win32":
        raise BadInput("Windows is not supported: install huggingtweets in WSL (`wsl --install`)")
    if sys.platform not in ("linux", "darwin"):
        raise BadInput(f"{sys.platform} is not supported: use Linux or macOS")


def _usage(error: TyperException) -> str:
    """The parser's message, in one line, with where to read on."""
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "huggingtweets"
    message = " ".join(error.format_message().split()).rstrip(".")
    for pattern, plain in _PLAINER:
        message = re.sub(pattern, plain, message)
    return f"{message} (see `{where} --help`)"


def _report(error: object, code: int) -> int:
    if console.verbosity() > 0:
        traceback.print_exc()
    console.complain(console.for_terminal(f"huggingtweets: {error}"))
    return code
