"""Runs flows in this process and returns their results."""

from __future__ import annotations

import atexit
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from deployments import console
from deployments.console_log import show_progress

if TYPE_CHECKING:
    from deployments.server.temporary_server import TemporaryServer


def start_prefect() -> None:
    """Start what Prefect needs, which takes seconds, and show the log from here on.

    Raises StorageUnusable first, where a flow could write nothing.
    """
    from tasks.storage import storage_root

    storage_root().require_writable()
    show_progress()
    console.note("Starting Prefect …")
    _temporary_server()


def ready_server() -> None:
    """If no Prefect server is configured, wait until one of ours answers. Raises NetworkTrouble."""
    if server := _temporary_server():
        server.wait()


@cache
def _temporary_server() -> TemporaryServer | None:
    """The server of this process, from the first call on; None where one is configured."""
    from prefect.context import refresh_global_settings_context
    from prefect.settings import get_current_settings

    if get_current_settings().api.url is not None:
        return None
    from deployments.server.temporary_server import TemporaryServer
    from tasks.orchestration.limits import TEMPORARY_SERVER

    server = TemporaryServer()
    atexit.register(server.stop)
    os.environ |= {"PREFECT_API_URL": server.api_url, TEMPORARY_SERVER: "1"}
    refresh_global_settings_context()
    return server


def run_flow(flow: Any, *arguments: Any, **parameters: Any) -> Any:
    """The result of a flow, even if its run has failed; raises what the flow raised."""
    ready_server()
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

    ready_server()
    context = copy_context()
    with ThreadPoolExecutor(1) as pool, stop_on_signals(record_interrupted):
        return _returned_or_raised(pool.submit(context.run, asyncio.run, result()).result())


def _returned_or_raised(result: Any) -> Any:
    if isinstance(result, BaseException):
        raise result
    return result
