"""`huggingtweets status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments import console
from deployments.cli.checks import known_bot
from deployments.cli.options import Json, complete_bot
from deployments.outcome_report import counts_text
from deployments.relative_times import ago

if TYPE_CHECKING:
    from tasks.operations.bot_status import BotDetails, BotStatus

_GOOD = ("released", "unchanged", "ready")


def status(
    bot: Annotated[
        str | None,
        typer.Argument(
            metavar="[BOT]", help="Show everything of this one", autocompletion=complete_bot
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how every bot fares, or everything of one."""
    from tasks.operations.bot_status import status_of, statuses
    from tasks.storage import storage_root

    if bot is not None:
        details = status_of(storage_root(), known_bot(bot))
        _print_details(details, as_json=as_json)
        return
    found = statuses(storage_root())
    if as_json:
        console.print_json(found)
    elif found:
        _print_statuses(found)
    else:
        console.say("Nothing is stored yet: `huggingtweets import FILE` stores posts.")


def _print_statuses(found: list[BotStatus]) -> None:
    console.print_table("", [_row(each) for each in found])
    bad = [each for each in found if each.parked or each.outcome not in _GOOD]
    if bad:
        console.say()
    for each in bad:
        console.say(console.for_terminal(f"@{each.bot}: {_what_is_wrong(each)}"))
    if not any(each.release for each in found) and any(each.outcome == "ready" for each in found):
        from tasks.operations.first_retrain import first_retrain

        ready = next(each.bot for each in found if each.outcome == "ready")
        console.note(f"\nNext: {first_retrain(ready)}")


def _row(each: BotStatus) -> dict[str, Any]:
    return {
        "bot": f"@{each.bot}",
        "outcome": "parked" if each.parked else (each.outcome or "?").replace("_", " "),
        "when": ago(each.finished_at),
        "posts": each.posts,
        "loss": each.held_out_loss,
        "release": f"{each.release}{' (pinned)' if each.pinned else ''}" if each.release else "–",
    }


def _what_is_wrong(each: BotStatus) -> str:
    wait = f" (not retried before {each.next_attempt_at})" if each.next_attempt_at else ""
    if each.parked:
        return f"parked, `huggingtweets retrain {each.bot}` tries again: {each.parked}"
    return f"{each.reason or 'no outcome'}{wait}"


def _print_details(details: BotDetails, *, as_json: bool) -> None:
    if as_json:
        console.print_json(details)
        return
    from tasks.core.records import Counts

    console.say(f"@{details.bot}: {(details.outcome or 'no outcome').replace('_', ' ')}")
    share = details.repeated_share
    fields = {
        "reason": details.reason,
        "when": f"{details.finished_at} ({ago(details.finished_at)})"
        if details.finished_at
        else None,
        "posts": [counts_text(name, Counts(**each)) for name, each in details.counts.items()]
        or details.posts,
        "held-out loss": _losses(details),
        "repeats": None if share is None else f"{share:.0%} of the samples",
        "release": f"{details.release}{', pinned' if details.pinned else ''}"
        if details.release
        else None,
        "visibility": details.visibility,
        "training": f"started {details.start}" if details.start else None,
        "base last used": _base_used(details),
        "folder": console.shown_path(details.folder),
        "card": console.shown_path(details.card),
        "picture": console.shown_path(details.picture),
        "loss curve": console.shown_path(details.curve),
        "on the Hub": details.hub,
        "due": details.due,
        "parked": details.parked,
        "not before": details.next_attempt_at,
        "kept releases": [
            f"{each.revision}{' (in force)' if each.in_force else ''}" for each in details.releases
        ],
        "nights": [f"{each.night}: {each.outcome.replace('_', ' ')}" for each in details.nights],
    }
    console.print_fields({name: value for name, value in fields.items() if value})


def _base_used(details: BotDetails) -> str | None:
    """When the bot was last trained from the base, by what the release in force says."""
    for each in details.releases:
        if each.in_force and each.base_used_at:
            return f"{each.base_used_at[:19]} ({ago(each.base_used_at)})"
    return None


def _losses(details: BotDetails) -> str | None:
    if details.held_out_loss is None:
        return None
    base = f", base {details.base_loss:.3f}" if details.base_loss is not None else ""
    return f"{details.held_out_loss:.3f} nats a token{base}"
