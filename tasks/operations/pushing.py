"""A release put on the Hub, with the settings' access to it."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import Literal

from pydantic import SecretStr

from tasks.core.errors import BadInput
from tasks.core.names import Bot
from tasks.core.records import Release
from tasks.core.settings import settings
from tasks.storage import Storage

_log = logging.getLogger("huggingtweets")
_NAMESPACE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")


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


def push_now(
    storage: Storage,
    release: Release,
    access: tuple[SecretStr, str],
    visibility: Literal["private", "public"] | None = None,
    gated: Literal["auto", "manual"] | None = None,
) -> Release:
    """Push a release in one commit; returns it with its URL on the Hub.

    access: as `hub_access` gives it. visibility, gated: the bot's own; None for the settings'. Only
    the bot's own visibility changes that of a repository that is there already.
    Raises what the Hub's refusal is translated to.
    """
    from tasks.publishing.hub_push import Access, push_release

    token, namespace = access
    url = push_release(
        storage,
        release,
        namespace=namespace,
        token=token,
        access=Access(settings().visibility, visibility, gated or settings().hub_gated),
        endpoint=settings().hub_endpoint,
    )
    return replace(release, hub=url)
