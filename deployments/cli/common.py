"""What every command has: options for its storage and its output."""

from __future__ import annotations

import gc
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Annotated, Any

import typer

from deployments import console
from tasks.core.errors import BadInput, Interrupted

_KEYWORD = inspect.Parameter.KEYWORD_ONLY
Storage = Annotated[
    str | None,
    typer.Option(help="Storage root: a folder, or a URL such as s3://…", metavar="URL"),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print details and tracebacks")]


def apply_common(storage: str | None, *, quiet: bool, verbose: bool) -> None:
    """Take over the options that every command has; those given before its name count as well."""
    if quiet and verbose:
        raise BadInput("--quiet and --verbose: choose one")
    if quiet or verbose:
        console.set_verbosity(1 if verbose else -1)
    if verbose:
        os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "INFO"
    if storage is not None:
        from tasks.core.settings import settings

        os.environ["HUGGINGTWEETS_STORAGE"] = storage
        settings.cache_clear()


@contextmanager
def quick_loading() -> Iterator[None]:
    """Load libraries and models without looking for garbage: there is none, in a million objects.

    It takes a sixth of torch's import.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def with_common_options(command: Callable[..., object]) -> Callable[..., None]:
    """The command with the options that every command has."""

    @wraps(command)
    def run(
        *, storage: str | None = None, quiet: bool = False, verbose: bool = False, **own: Any
    ) -> None:
        apply_common(storage, quiet=quiet, verbose=verbose)
        try:
            command(**own)
        except KeyboardInterrupt as stop:
            raise Interrupted("stopped; finished work is kept, run it again to continue") from stop

    signature = inspect.signature(command, eval_str=True)
    added = {"storage": (Storage, None), "quiet": (Quiet, False), "verbose": (Verbose, False)}
    parameters = [
        *signature.parameters.values(),
        *(
            inspect.Parameter(name, _KEYWORD, default=default, annotation=annotation)
            for name, (annotation, default) in added.items()
        ),
    ]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run
