"""The policies that the tasks share: what is retried, how long, and what makes a cache key."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import Task, exponential_backoff

from tasks.core.errors import TransientError
from tasks.core.records import digest
from tasks.core.settings import settings

log = logging.getLogger("huggingtweets")


def is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed task is worth another try now.

    Only our transient errors are, and of these not one that names a time: until then the account
    waits, and the others go on.
    """
    error = state.data
    is_worth_it = isinstance(error, TransientError) and error.next_attempt_at is None
    if is_worth_it:  # asked only where tries are left
        log.warning("%s (trying again soon)", error)
    return is_worth_it


def by_content(name: str) -> Callable[[TaskRunContext, Mapping[str, Any]], str]:
    """A cache key of a task's name, its parameters' content and the storage that it works in.

    It names the bot or the account too: what is forgotten is found by it, as the result's file.
    """

    def key(_context: TaskRunContext, parameters: Mapping[str, Any]) -> str:
        whose = parameters.get("bot") or parameters.get("handle")
        # Half of the digest: with the longest name of a bot it is still the name of a file.
        return f"{name}-{whose}-{digest(settings().storage, dict(parameters))[:32]}"

    return key


# Ten seconds, twenty, forty, each up to 30 % longer, so that a batch does not return in step.
RETRY: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(10),
    "retry_jitter_factor": 0.3,
    "retry_condition_fn": is_transient,
}
# For tasks that read or write the storage. In a flow that keeps its result, Prefect keeps those of
# all its tasks too: tried again, the run would get what the storage held at its first try.
UNCACHED: dict[str, Any] = {**RETRY, "cache_policy": NO_CACHE}


def cached(name: str) -> dict[str, Any]:
    """The options of a task whose small JSON result is kept and found again by content.

    A hit does not notice that the file it refers to is gone: the caller checks, and calls again
    with `refresh_cache=True`.
    """
    return {
        "persist_result": True,
        "result_serializer": "json",
        "cache_key_fn": by_content(name),
    }
