"""From a checkpoint to a release, in the storage and on the Hub."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from prefect import task

from tasks.core.names import Bot
from tasks.core.records import (
    Base,
    Checkpoint,
    Corpus,
    Evaluation,
    Gate,
    Release,
    Spec,
    TrackedRun,
)
from tasks.core.settings import settings
from tasks.operations.gguf_export import merged_for_gguf
from tasks.operations.profiles import avatars_of, profiles_of
from tasks.operations.pushing import hub_access, push_now
from tasks.orchestration.limits import publishing_place
from tasks.orchestration.policies import RETRY
from tasks.publishing.card_metadata import HUB
from tasks.publishing.release_contents import ReleaseContents
from tasks.publishing.releases import latest_release, publish_locally, revision_of
from tasks.storage import storage_root
from tasks.storage.opt_outs import refuse_opted_out
from tasks.tracking.sweep_reports import report_url


def latest_release_of(bot: Bot) -> Release | None:
    """The release that a new one would take the place of, or None."""
    return latest_release(storage_root(), bot)


def hub_url(bot: Bot) -> str | None:
    """Where on the Hub the bot's repository is, or None where no namespace is set."""
    endpoint, namespace = settings().hub_endpoint, settings().hub_namespace
    return f"{endpoint or HUB}/{namespace}/{bot.hub_name}" if namespace else None


@task(name="publish", task_run_name="publish @{corpus.bot}", **RETRY)
def publish(  # noqa: PLR0913 - a release is made of all that came before
    corpus: Corpus,
    base: Base,
    checkpoint: Checkpoint,
    evaluation: Evaluation,
    gate: Gate,
    spec: Spec,
    tracked: TrackedRun,
    *,
    for_hub: bool,
    visibility: Literal["private", "public"] | None = None,
) -> Release:
    """Put the release into the storage: whole, or not at all. Its card names where it will be.

    visibility: whom it is shown to; None for the setting's.
    Raises OptedOut where an owner asked for that since the posts were read.
    """
    storage, bot = storage_root(), corpus.bot
    refuse_opted_out(storage, *bot.handles)
    now = datetime.now(UTC)
    profiles = profiles_of(storage, bot)
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
        sweep_url=report_url(storage, bot),
        site_url=settings().site_url,
        gate=gate,
        languages=corpus.languages or (),
        contact=settings().contact,
        visibility=_visibility(visibility),
        gguf=settings().gguf,
        avatars=avatars_of(storage, profiles, now),
    )
    with merged_for_gguf(storage, contents, base) as model:
        return publish_locally(
            storage, checkpoint.uri, contents, keep=settings().keep_releases, whole_model=model
        )


def _visibility(own: Literal["private", "public"] | None) -> Literal["private", "public"]:
    return own or ("public" if settings().visibility == "public" else "private")


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
    access = hub_access(release.bot)
    refuse_opted_out(storage_root(), *release.bot.handles)
    with publishing_place(settings().hub_pushes):
        return push_now(storage_root(), release, access, visibility, gated)
