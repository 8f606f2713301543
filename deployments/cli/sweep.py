"""`huggingtweets sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployments import console
from deployments.cli.checks import check_base, parse_bot, refuse_missing, refuse_without_posts
from deployments.cli.options import Base, Json, complete_bot
from deployments.flow_runs import run_flow, start_prefect
from deployments.retraining import refuse_unreachable_base
from tasks.core.errors import BadInput


def sweep(
    bots: Annotated[
        list[str],
        typer.Argument(metavar="BOT", help="Bots with stored posts", autocompletion=complete_bot),
    ],
    space: Annotated[
        Path, typer.Option(help="YAML file of settings to try, as in deployments/sweeps/")
    ],
    base: Base = None,
    as_json: Json = False,
) -> None:
    """Try training settings on stored posts, and rank them."""
    parsed_bots = [parse_bot(name) for name in bots]
    names = [each.name for each in parsed_bots]
    check_base(base)
    refuse_missing(space, "name a YAML file such as deployments/sweeps/rates.yaml")
    from pydantic import ValidationError

    from tasks.core.bounded_yaml import load_yaml
    from tasks.core.validation import in_words
    from tasks.training.sweep_space import Space

    try:
        parsed = Space.model_validate(load_yaml(space, "sweep")[0])
    except ValidationError as error:
        faults = "; ".join(in_words(each, Space.model_fields) for each in error.errors()[:5])
        raise BadInput(f"{space}: {faults}") from error
    refuse_without_posts(parsed_bots)
    refuse_unreachable_base(base)
    start_prefect()
    from flows.requests import RetrainOptions
    from flows.sweep import sweep as flow

    rows = run_flow(flow, names, parsed, RetrainOptions(base=base))
    if as_json:
        console.print_json(rows)
    else:
        console.print_table(f"Settings tried on {', '.join(names)}, best first", rows)
