"""What the Prefect server does by itself: end silent runs, retry crashed ones, report bad nights.

A flow run sends a heartbeat when it starts, and then every PREFECT_FLOWS_HEARTBEAT_FREQUENCY
seconds, at best every 30: the times below follow from that.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import (
    Automation,
    AutomationCore,
    EventTrigger,
    Posture,
)

from deployments.server.changes import Change
from deployments.server.work_pools import POOLS
from tasks.orchestration.crashed_runs import AUTOMATION, TRIES

# A heartbeat takes up to 30 s, and clients need 15 s to find a server again that was away for a
# minute. A shorter timeout would end healthy runs in that minute.
HEARTBEAT_TIMEOUT = timedelta(seconds=150)
# From taking a run to its first log line; a worker may have to pull a container image first.
START_TIMEOUT = timedelta(seconds=600)
# The names on the server. Renaming one would leave the old automation beside the new one.
SILENT_RUNS = "huggingtweets: end runs that fell silent"
UNSTARTED_RUNS = "huggingtweets: give back runs that never began"
CRASHED_RUNS = AUTOMATION  # `tasks.orchestration.crashed_runs` finds what it misses
FAILED_NIGHTS = "huggingtweets: tell of a failed night"
_RUN = "prefect.flow-run"
_EACH_RUN = {"prefect.resource.id": f"{_RUN}.*"}
# Without Crashed: on SQLite an event that several automations record is sometimes lost, and the
# automation that retries crashed runs needs it. A run that has ended cannot be ended twice.
_ENDED = ("Completed", "Failed", "TimedOut", "Cancelled", "Cancelling")
_WAITING = (
    "AwaitingRetry",
    "AwaitingConcurrencySlot",
    "Retrying",
    "Paused",
    "Suspended",
    "Scheduled",
)
_OF_OUR_POOLS = {"prefect.resource.role": "work-pool", "prefect.resource.name": list(POOLS)}


def silent_runs(timeout: timedelta = HEARTBEAT_TIMEOUT) -> AutomationCore:
    """Marks a run as Crashed that sends no heartbeats: its process and its worker are gone."""
    return AutomationCore(
        name=SILENT_RUNS,
        description=f"No heartbeat for {timeout.total_seconds():.0f} s: the process is gone.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match=_EACH_RUN,
            for_each={"prefect.resource.id"},
            after={f"{_RUN}.heartbeat"},
            expect=_events("heartbeat", *_ENDED, *_WAITING),
            threshold=1,
            within=timeout,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, name="Crashed", message="No heartbeat: the process is gone"
            )
        ],
    )


def heartbeat_timeout(client: SyncPrefectClient) -> timedelta:
    """The one that the server has, which an operator may have chosen; else the default."""
    for found in client.read_automations_by_name(SILENT_RUNS):
        if isinstance(found.trigger, EventTrigger):
            return found.trigger.within
    return HEARTBEAT_TIMEOUT


def unstarted_runs(timeout: timedelta = START_TIMEOUT) -> AutomationCore:
    """Returns a run to its work pool if its worker died between taking and starting it.

    The same for a run that cannot be started, because an image is missing for example.
    """
    return AutomationCore(
        name=UNSTARTED_RUNS,
        description=f"Taken by a worker, but not running after {timeout.total_seconds():.0f} s.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match=_EACH_RUN,
            match_related=_OF_OUR_POOLS,
            for_each={"prefect.resource.id"},
            after=_events("Pending"),
            expect=_events("Running", *_ENDED, *_WAITING),
            threshold=1,
            within=timeout,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.SCHEDULED,
                name="AwaitingRetry",
                message="Its worker never started it: returned to the work pool",
            )
        ],
    )


def crashed_runs(tries: int = TRIES) -> AutomationCore:
    """Returns a crashed run to its work pool, unless it has been tried often enough.

    Only runs of a deployment have a pool; subflows are run again by the run that started them.
    """
    return AutomationCore(
        name=CRASHED_RUNS,
        description=f"At most {tries} tries; then the run stays crashed.",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            match={
                **_EACH_RUN,
                # Labels are compared as text, so each count is listed. Without 0: a run that
                # cannot start would come back at once, for ever. It is left to the one above.
                "prefect.run-count": [str(number) for number in range(1, tries)],
            },
            match_related=_OF_OUR_POOLS,
            for_each={"prefect.resource.id"},
            expect=_events("Crashed"),
            threshold=1,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.SCHEDULED,
                name="AwaitingRetry",
                message="Retried after a crash",
            )
        ],
    )


def failed_nights(webhook: UUID) -> AutomationCore:
    """Reports a night that failed or crashed to the operator's webhook, a saved block."""
    message = (
        "{{ ('huggingtweets, ' ~ event.resource['prefect.resource.name'] ~ ': '"
        " ~ event.resource['prefect.state-name'] ~ ': '"
        " ~ event.resource['prefect.state-message'][:1000]) | tojson }}"
    )
    return AutomationCore(
        name=FAILED_NIGHTS,
        description="To the address in HUGGINGTWEETS_NOTIFY_URL.",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            match=_EACH_RUN,
            match_related={
                "prefect.resource.role": "flow",
                "prefect.resource.name": "nightly",
            },
            for_each={"prefect.resource.id"},
            expect=_events("Failed", "TimedOut", "Crashed"),
            threshold=1,
        ),
        # Slack and Mattermost read `text`, Discord `content`.
        actions=[
            CallWebhook(
                block_document_id=webhook, payload=f'{{"text": {message}, "content": {message}}}'
            )
        ],
    )


def apply_automation(client: SyncPrefectClient, wanted: AutomationCore) -> Change:
    """Create the automation, or replace the one of its name.

    One that the operator has switched off stays off. A server that replaces one forgets which runs
    it was waiting for: those that have fallen silent by then stay Running.
    """
    found = client.read_automations_by_name(wanted.name)
    if not found:
        client.create_automation(wanted)
        return Change("automation", wanted.name, "made")
    wanted = wanted.model_copy(update={"enabled": found[0].enabled})
    if _content(found[0]) == _content(wanted) and len(found) == 1:
        return Change("automation", wanted.name, "unchanged")
    client.update_automation(found[0].id, wanted)
    for duplicate in found[1:]:
        client.delete_automation(duplicate.id)
    return Change("automation", wanted.name, "changed")


def remove_automation(client: SyncPrefectClient, name: str) -> list[Change]:
    """Remove the automation of this name, if the server has one."""
    found = client.read_automations_by_name(name)
    for each in found:
        client.delete_automation(each.id)
    return [Change("automation", name, "removed")] if found else []


def _events(*states: str) -> set[str]:
    return {f"{_RUN}.{state}" for state in states}


def _content(automation: Automation | AutomationCore) -> dict[str, Any]:
    fields = {"name", "description", "enabled", "trigger", "actions"}
    return automation.model_dump(include=fields)
