"""Runs flows in this process and returns their results."""

from __future__ import annotations

import asyncio
from typing import Any

from deployments import console


def start_prefect() -> None:
    """Announce the seconds that Prefect takes to start, and show the log from here on."""
    console.show_progress()
    console.err.print("Starting Prefect …")


def run_flow(flow: Any, *arguments: Any, **parameters: Any) -> Any:
    """The result of a flow, even if its run has failed; raises what the flow raised."""
    state = flow(*arguments, **parameters, return_state=True)
    return _returned_or_raised(state.result(raise_on_failure=False))


def run_async_flow(flow: Any, *arguments: Any, **parameters: Any) -> Any:
    """The same for a flow that is a coroutine function."""

    async def result() -> Any:
        state = await flow(*arguments, **parameters, return_state=True)
        return await state.aresult(raise_on_failure=False)

    return _returned_or_raised(asyncio.run(result()))


def _returned_or_raised(result: Any) -> Any:
    if isinstance(result, BaseException):
        raise result
    return result
