"""Where the operator is told of a failed night: a webhook, kept by the server as a secret."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.types import SecretDict
from pydantic import SecretStr

from deployments.server.automations import TOLD, apply_automation, failed_nights, remove_automation
from deployments.server.changes import Change

BLOCK = "huggingtweets-notify"


def apply_notification(client: SyncPrefectClient, url: SecretStr | None) -> list[Change]:
    """Tell failed nights to this address; without one, to nobody."""
    if url is None:
        return remove_automation(client, TOLD)
    block, change = _apply_block(url)
    return [change, apply_automation(client, failed_nights(block))]


def _apply_block(url: SecretStr) -> tuple[UUID, Change]:
    wanted = Webhook(url=url, headers=SecretDict({"Content-Type": "application/json"}))
    try:
        found: Any = Webhook.load(BLOCK)
    except ValueError:  # what Prefect raises where there is none
        return _saved(wanted), Change("webhook", BLOCK, "made")
    identity: UUID = found._block_document_id  # noqa: SLF001 - Prefect has no public name for it
    if found.url == url and found.headers == wanted.headers:
        return identity, Change("webhook", BLOCK, "unchanged")
    return _saved(wanted), Change("webhook", BLOCK, "changed")


def _saved(block: Webhook) -> UUID:
    identity: Any = block.save(BLOCK, overwrite=True)
    return UUID(str(identity))
