"""`huggingtweets refresh`."""

from __future__ import annotations

from deployments import console
from deployments.cli.checks import check_push, released_bot
from deployments.cli.options import BotName, Json, Push


def refresh(bot: BotName, push: Push = False, as_json: Json = False) -> None:
    """Make the card and picture of a release anew."""
    check_push(push=push)
    storage, release = released_bot(bot)
    from tasks.operations.refreshing import refresh as make_anew

    made = make_anew(storage, release, for_hub=push or release.hub is not None)
    if push:
        from tasks.operations.pushing import hub_access, push_now

        made = push_now(storage, made, hub_access(made.bot))
    if as_json:
        from tasks.publishing.release_history import kept_releases

        console.print_json(next(each for each in kept_releases(storage, made.bot) if each.in_force))
        return
    console.say(f"@{made.bot}: release {made.revision} has a new card and picture.")
    for name in ("README.md", "predictions.png"):
        console.say(f"  {console.shown_path(storage.location(f'{made.folder}/{name}'))}")
    if push:
        console.say(f"  {made.hub}")
    elif release.hub:
        console.note("The Hub still has the old ones: --push sends the new ones.")
