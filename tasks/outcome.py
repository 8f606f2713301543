"""What the lake holds, and what became of each bot."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from prefect import task

from tasks.core.errors import BadInput, DamagedState, ProcessCrashed
from tasks.core.names import Bot, Handle
from tasks.core.records import Outcome, Status
from tasks.lake.posts import LakeState, state
from tasks.orchestration.policies import ANEW
from tasks.registry.attempts import attempts_of, begin_attempt, end_attempt
from tasks.registry.due_marks import clear_due
from tasks.registry.outcomes import save_outcome
from tasks.registry.state import after, load_state, save_state
from tasks.storage import storage_root
from tasks.storage.opt_outs import refuse_opted_out

MOST_CRASHES = 3


@task(name="store", task_run_name="store @{handle}", **ANEW)
def stored_posts(handle: Handle) -> LakeState:
    """What is stored of an account. Raises OptedOut, and BadInput where nothing is stored."""
    refuse_opted_out(storage_root(), handle)
    found = state(storage_root(), handle)
    if found.rows == 0:
        raise BadInput(
            f"@{handle}: no posts are stored; import some with "
            f"`huggingtweets import FILE --handle {handle}` or name a --source"
        )
    return found


@task(name="record outcome", task_run_name="record @{outcome.bot}", **ANEW)
def record_outcome(outcome: Outcome, began: datetime) -> Outcome:
    """Keep the outcome where `huggingtweets status` finds it; `began` is when the retrain did."""
    storage, bot = storage_root(), Bot.parse(outcome.bot)
    # First, since it must not count as a death of the process where the disk is too full to write.
    end_attempt(storage, bot)
    save_outcome(storage, outcome)
    with suppress(DamagedState):  # it stays for a person to look at, and the outcome names it
        save_state(storage, bot, after(load_state(storage, bot), outcome, began, datetime.now(UTC)))
    if outcome.status in (Status.RELEASED, Status.UNCHANGED, Status.HELD_BACK):
        clear_due(storage, bot, began)
    return outcome


def has_crashed(bot: Bot) -> bool:
    """Whether the bot's last retrain has left no outcome: its process may have died of it."""
    return attempts_of(storage_root(), bot) > 0


def refuse_after_crashes(bot: Bot) -> None:
    """Note that a retrain begins.

    Raises ProcessCrashed where too many had no end, DamagedState where the bot's state is damaged.
    """
    load_state(storage_root(), bot)  # now, and not after an hour of training
    if begin_attempt(storage_root(), bot) >= MOST_CRASHES:
        raise ProcessCrashed(
            f"@{bot}: {MOST_CRASHES} retrains in a row ended with the death of their process, so "
            "it is left out: look at the memory of the machine and at its posts, then retrain it"
        )
