"""From a checkpoint to a release, in the storage and on the Hub."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from prefect import task
from pydantic import SecretStr

from tasks.errors import BadInput
from tasks.lake.accounts import load_profile
from tasks.names import Bot
from tasks.policies import RETRY
from tasks.publishing.context import ReleaseContext
from tasks.publishing.local import latest_release, publish_locally, revision_of, verify_release
from tasks.records import Base, Checkpoint, Corpus, Evaluation, Profile, Release, Spec, TrackedRun
from tasks.settings import settings
from tasks.storage import storage_root


def released_already(bot: Bot, fingerprint: str) -> Release | None:
    """The latest release, where it was made from the same inputs and is still whole."""
    storage = storage_root()
    release = latest_release(storage, bot)
    if release is None or release.fingerprint != fingerprint:
        return None
    return release if verify_release(storage, release) else None


def hub_access(bot: Bot) -> tuple[SecretStr, str]:
    """The token and the namespace to push with. Raises BadInput where one is not set."""
    token, namespace = settings().hub_token, settings().hub_namespace
    if token is None or namespace is None:
        raise BadInput(
            f"@{bot}: to push, set HUGGINGTWEETS_HUB_TOKEN and HUGGINGTWEETS_HUB_NAMESPACE"
        )
    return token, namespace


@task(name="publish", task_run_name="publish @{bot}", **RETRY)
def publish(
    bot: Bot,
    corpus: Corpus,
    base: Base,
    checkpoint: Checkpoint,
    evaluation: Evaluation,
    spec: Spec,
    tracked: TrackedRun,
    *,
    for_hub: bool,
) -> Release:
    """Put the release into the storage: whole, or not at all. Its card names where it will be."""
    storage = storage_root()
    now = datetime.now(UTC)
    context = ReleaseContext(
        bot=bot,
        revision=revision_of(now, checkpoint.fingerprint),
        created_at=now,
        corpus=corpus,
        base=base,
        checkpoint=checkpoint,
        evaluation=evaluation,
        profiles=tuple(load_profile(storage, h) or Profile(h, h.name) for h in bot.handles),
        spec=spec,
        tracked=tracked,
        namespace=settings().hub_namespace if for_hub else None,
        project_url=settings().project_url,
    )
    return publish_locally(storage, checkpoint.uri, context)


@task(name="push", task_run_name="push @{release.bot}", **RETRY)
def push(release: Release) -> Release:
    """Put the release on the Hub, in one commit. Raises BadInput without token or namespace."""
    from tasks.publishing.hub import push_release

    token, namespace = hub_access(release.bot)
    url = push_release(
        storage_root(),
        release,
        namespace=namespace,
        token=token,
        visibility=settings().visibility,
        endpoint=settings().hub_endpoint,
    )
    return replace(release, hub=url)
