"""A release put on the Hub at once, outside of any flow."""

from __future__ import annotations

from dataclasses import replace

from tasks.core.errors import BadInput
from tasks.core.records import Release
from tasks.core.settings import settings
from tasks.publishing.hub_push import Access, push_release
from tasks.storage import Storage


def push_now(storage: Storage, release: Release) -> Release:
    """Push a release with the settings' namespace and access; who may see it stays as it is.

    Raises BadInput, OptedOut and what the Hub's refusal is translated to.
    """
    token, namespace = settings().hub_token, settings().hub_namespace
    if token is None or namespace is None:
        raise BadInput("to push, set HUGGINGTWEETS_HUB_TOKEN and HUGGINGTWEETS_HUB_NAMESPACE")
    url = push_release(
        storage,
        release,
        namespace=namespace,
        token=token,
        access=Access(settings().visibility, None, settings().hub_gated),
        endpoint=settings().hub_endpoint,
    )
    return replace(release, hub=url)
