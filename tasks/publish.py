"""From a checkpoint to a release, in the storage and on the Hub."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from prefect import task
from pydantic import SecretStr

from tasks.core.errors import BadInput
from tasks.core.names import Bot
from tasks.core.records import (
    Base,
    Checkpoint,
    Corpus,
    Evaluation,
    Gate,
    Profile,
    Release,
    Spec,
    TrackedRun,
)
from tasks.core.settings import settings
from tasks.ingest.accounts import load_profile
from tasks.orchestration.limits import publishing_place
from tasks.orchestration.policies import RETRY
from tasks.publishing.release_contents import ReleaseContents
from tasks.publishing.releases import latest_release, publish_locally, revision_of, verify_release
from tasks.storage import Storage, storage_root
from tasks.storage.opt_outs import refuse_opted_out

_log = logging.getLogger("huggingtweets")
_NAMESPACE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")


def released_already(bot: Bot, fingerprint: str) -> Release | None:
    """The latest release, where it was made from the same inputs and is still whole."""
    storage = storage_root()
    release = latest_release(storage, bot)
    if release is None or release.fingerprint != fingerprint:
        return None
    return release if verify_release(storage, release) else None


def latest_release_of(bot: Bot) -> Release | None:
    """The release that a new one would take the place of, or None."""
    return latest_release(storage_root(), bot)


def hub_url(bot: Bot) -> str | None:
    """Where on the Hub the bot's repository is, or None where no namespace is set."""
    endpoint, namespace = settings().hub_endpoint, settings().hub_namespace
    return (
        f"{endpoint or 'https://huggingface.co'}/{namespace}/{bot.hub_name}" if namespace else None
    )


def hub_access(bot: Bot) -> tuple[SecretStr, str]:
    """The token and the namespace to push with. Raises BadInput where one is not set."""
    token, namespace = settings().hub_token, settings().hub_namespace
    if token is None or namespace is None:
        raise BadInput(
            f"@{bot}: to push, set HUGGINGTWEETS_HUB_TOKEN and HUGGINGTWEETS_HUB_NAMESPACE"
        )
    if not _NAMESPACE.fullmatch(namespace) or "--" in namespace:
        raise BadInput(
            f"@{bot}: HUGGINGTWEETS_HUB_NAMESPACE is {namespace[:60]!r}: set the name of a user or "
            "an organisation, without slashes"
        )
    if bot.hub_name != bot.name:
        _log.info("@%s: the Hub refuses this name, so its repository is %s", bot, bot.hub_name)
    return token, namespace


@task(name="publish", task_run_name="publish @{corpus.bot}", **RETRY)
def publish(
    corpus: Corpus,
    base: Base,
    checkpoint: Checkpoint,
    evaluation: Evaluation,
    gate: Gate,
    spec: Spec,
    tracked: TrackedRun,
    *,
    for_hub: bool,
) -> Release:
    """Put the release into the storage: whole, or not at all. Its card names where it will be.

    Raises OptedOut where an owner asked for that since the posts were read.
    """
    storage, bot = storage_root(), corpus.bot
    refuse_opted_out(storage, *bot.handles)
    now = datetime.now(UTC)
    profiles = tuple(load_profile(storage, h) or Profile(h, h.name) for h in bot.handles)
    contents = ReleaseContents(
        bot=bot,
        revision=revision_of(now, checkpoint.fingerprint),
        created_at=now,
        corpus=corpus,
        base=base,
        checkpoint=checkpoint,
        evaluation=evaluation,
        profiles=profiles,
        spec=spec,
        tracked=tracked,
        namespace=settings().hub_namespace if for_hub else None,
        project_url=settings().project_url,
        gate=gate,
        languages=corpus.languages or (),
        contact=settings().contact,
        avatars=_avatars(storage, profiles, now),
    )
    return publish_locally(storage, checkpoint.uri, contents, keep=settings().keep_releases)


def _avatars(storage: Storage, profiles: Sequence[Profile], now: datetime) -> dict[str, bytes]:
    from tasks.publishing.avatars import avatar_of

    hosts = settings().avatars
    found = {str(p.handle): avatar_of(storage, p, hosts=hosts, now=now) for p in profiles}
    return {handle: png for handle, png in found.items() if png is not None}


@task(name="push", task_run_name="push @{release.bot}", **RETRY)
def push(
    release: Release,
    visibility: Literal["private", "public"] | None = None,
    gated: Literal["auto", "manual"] | None = None,
) -> Release:
    """Put the release on the Hub, in one commit.

    Raises BadInput without token or namespace, OptedOut as `publish` does.
    visibility, gated: the bot's own; None for the settings'. Only the bot's own visibility changes
    that of a repository that is there already.
    """
    from tasks.publishing.hub_push import Access, push_release

    token, namespace = hub_access(release.bot)
    refuse_opted_out(storage_root(), *release.bot.handles)
    with publishing_place(settings().hub_pushes):
        url = push_release(
            storage_root(),
            release,
            namespace=namespace,
            token=token,
            access=Access(settings().visibility, visibility, gated or settings().hub_gated),
            endpoint=settings().hub_endpoint,
        )
    return replace(release, hub=url)
