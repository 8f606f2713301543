"""The command that tries training settings: `sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml  # type: ignore[import-untyped]  # its types are a package of their own
from pydantic import ValidationError

from deployments import console
from tasks.core.errors import BadInput
from tasks.core.names import Bot


def sweep(
    bots: Annotated[list[str], typer.Argument(metavar="BOT…", help="With stored posts")],
    space: Annotated[Path, typer.Option(help="YAML of the settings to try, as in sweeps/")],
    base: Annotated[
        str | None, typer.Option(help="Hub id or folder of the base, or `embedded`")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table")] = False,
) -> None:
    """Try training settings on stored posts, and rank them by held-out loss."""
    names = [Bot.parse(name).name for name in bots]
    from tasks.training.sweep_space import Space

    try:
        asked = Space.model_validate(_loaded(space))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise BadInput(f"{space}: {where}: {first['msg']}: mend it") from error
    console.start_prefect()
    from flows.requests import RetrainOptions
    from flows.sweep import sweep as flow

    rows = console.result_of(flow(names, asked, RetrainOptions(base=base), return_state=True))
    if as_json:
        console.print_json(rows)
    else:
        console.print_table(f"Settings tried on {', '.join(names)}, the best first", rows)


def _loaded(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadInput(f"{path}: no space of settings can be read from it ({reason})") from error
