"""Runs flows in this process and returns their results."""

from __future__ import annotations

from typing import Any

from deployments import console
from deployments.console_log import show_progress


def start_prefect() -> None:
    """Import Prefect, which takes seconds, and show the log from here on."""
    show_progress()
    console.note("Starting Prefect …")
    prepare_server()


def prepare_server() -> None:
    """If no Prefect server is configured, make Prefect start ours when it needs one."""
    from prefect.settings import get_current_settings

    if get_current_settings().api.url is None:
        from deployments.server.temporary_server import use_temporary_server

        use_temporary_server()


def run_flow(flow: Any, *arguments: Any, **parameters: Any) -> Any:
    """The result of a flow, even if its run has failed; raises what the flow raised."""
    state = flow(*arguments, **parameters, return_state=True)
    return _returned_or_raised(state.result(raise_on_failure=False))


def run_async_flow(flow: Any, *arguments: Any, **parameters: Any) -> Any:
    """The same for a flow that is a coroutine function; signals stop it in order.

    It runs in a thread, since in the main one Prefect would answer SIGTERM in its own way: by an
    exception that leaves the threads that train behind.
    """
    import asyncio
    from concurrent.futures import ThreadPoolExecutor
    from contextvars import copy_context

    from tasks.operations.retrain_record import record_interrupted
    from tasks.orchestration.signals import stop_on_signals

    async def result() -> Any:
        state = await flow(*arguments, **parameters, return_state=True)
        return await state.aresult(raise_on_failure=False)

    context = copy_context()
    with ThreadPoolExecutor(1) as pool, stop_on_signals(record_interrupted):
        return _returned_or_raised(pool.submit(context.run, asyncio.run, result()).result())


def _returned_or_raised(result: Any) -> Any:
    if isinstance(result, BaseException):
        raise result
    return result
