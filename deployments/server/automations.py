"""What the Prefect server does by itself: end silent runs, try crashed ones again, tell of a night.

Times and counts were chosen by what was observed: a flow run sends a heartbeat when it starts and
then every PREFECT_FLOWS_HEARTBEAT_FREQUENCY seconds, at best every 30.
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

# A heartbeat every 30 s, a server that is away for a minute and 15 s for all to find it again:
# with less, that minute would end the runs that are well.
SILENCE = timedelta(seconds=150)
# From a worker's taking a run to its first line: a container image may have to be fetched first.
START = timedelta(seconds=600)
SILENT = "huggingtweets: end runs that fell silent"
UNBEGUN = "huggingtweets: give back runs that never began"
CRASHED = AUTOMATION  # what it misses is found by `tasks.orchestration.crashed_runs`
TOLD = "huggingtweets: tell of a failed night"
_RUN = "prefect.flow-run"
_EACH_RUN = {"prefect.resource.id": f"{_RUN}.*"}
# Without Crashed: on SQLite an event that several automations write down is now and then lost, and
# the one that tries crashed runs again must have it. A run that has ended is not ended twice.
_ENDS = ("Completed", "Failed", "TimedOut", "Cancelled", "Cancelling")
_RESTS = (
    "AwaitingRetry",
    "AwaitingConcurrencySlot",
    "Retrying",
    "Paused",
    "Suspended",
    "Scheduled",
)
_OF_OUR_POOLS = {"prefect.resource.role": "work-pool", "prefect.resource.name": list(POOLS)}


def silent_runs(silence: timedelta = SILENCE) -> AutomationCore:
    """A run whose process is gone, with its worker, says nothing: it is Crashed then."""
    return AutomationCore(
        name=SILENT,
        description=f"No heartbeat for {silence.total_seconds():.0f} s: the process is gone.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match=_EACH_RUN,
            for_each={"prefect.resource.id"},
            after={f"{_RUN}.heartbeat"},
            expect=_events("heartbeat", *_ENDS, *_RESTS),
            threshold=1,
            within=silence,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, name="Crashed", message="No heartbeat: the process is gone"
            )
        ],
    )


def unbegun_runs(start: timedelta = START) -> AutomationCore:
    """A run whose worker died between taking and starting it goes back to its work pool.

    So does one that could not be started, for want of an image perhaps, until it can.
    """
    return AutomationCore(
        name=UNBEGUN,
        description=f"Taken by a worker, but not running after {start.total_seconds():.0f} s.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match=_EACH_RUN,
            match_related=_OF_OUR_POOLS,
            for_each={"prefect.resource.id"},
            after=_events("Pending"),
            expect=_events("Running", *_ENDS, *_RESTS),
            threshold=1,
            within=start,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.SCHEDULED,
                name="AwaitingRetry",
                message="Its worker took it and never started it: given to the next",
            )
        ],
    )


def crashed_runs(tries: int = TRIES) -> AutomationCore:
    """A crashed run goes back to its work pool, unless it has had its tries.

    Only runs of a deployment can; the runs inside them begin anew with the run that they are in.
    """
    return AutomationCore(
        name=CRASHED,
        description=f"At most {tries} times in all; then the run stays crashed.",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            match={
                **_EACH_RUN,
                # Labels are compared as text, so each count is named. Without 0: what could not
                # even begin would come back at once, for ever; it waits for the one above.
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
                message="Crashed: tried again by itself",
            )
        ],
    )


def failed_nights(webhook: UUID) -> AutomationCore:
    """A night that failed or crashed is told to the operator's webhook, a saved block."""
    said = (
        "{{ ('huggingtweets, ' ~ event.resource['prefect.resource.name'] ~ ': '"
        " ~ event.resource['prefect.state-name'] ~ ': '"
        " ~ event.resource['prefect.state-message'][:1000]) | tojson }}"
    )
    return AutomationCore(
        name=TOLD,
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
            CallWebhook(block_document_id=webhook, payload=f'{{"text": {said}, "content": {said}}}')
        ],
    )


def apply_automation(client: SyncPrefectClient, wanted: AutomationCore) -> Change:
    """Make the server's automation of this name the wanted one.

    One that the operator has switched off stays off.
    """
    found = client.read_automations_by_name(wanted.name)
    if not found:
        client.create_automation(wanted)
        return Change("automation", wanted.name, "made")
    wanted = wanted.model_copy(update={"enabled": found[0].enabled})
    if _content(found[0]) == _content(wanted) and len(found) == 1:
        return Change("automation", wanted.name, "unchanged")
    client.update_automation(found[0].id, wanted)
    for double in found[1:]:
        client.delete_automation(double.id)
    return Change("automation", wanted.name, "changed")


def remove_automation(client: SyncPrefectClient, name: str) -> list[Change]:
    """Remove the automation of this name, where the server has one."""
    found = client.read_automations_by_name(name)
    for each in found:
        client.delete_automation(each.id)
    return [Change("automation", name, "removed")] if found else []


def _events(*states: str) -> set[str]:
    return {f"{_RUN}.{state}" for state in states}


def _content(automation: Automation | AutomationCore) -> dict[str, Any]:
    fields = {"name", "description", "enabled", "trigger", "actions"}
    return automation.model_dump(include=fields)
