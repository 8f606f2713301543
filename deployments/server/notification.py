"""The webhook that failed nights are reported to, a secret block on the Prefect server."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.types import SecretDict
from pydantic import SecretStr

from deployments.server.automations import (
    FAILED_NIGHTS,
    apply_automation,
    failed_nights,
    remove_automation,
)
from deployments.server.changes import Change

BLOCK = "huggingtweets-notify"


def apply_notification(client: SyncPrefectClient, url: SecretStr | None) -> list[Change]:
    """Report failed nights to this address, or to nobody if there is none."""
    if url is None:
        return remove_automation(client, FAILED_NIGHTS)
    block, change = _apply_block(url)
    return [change, apply_automation(client, failed_nights(block))]


def _apply_block(url: SecretStr) -> tuple[UUID, Change]:
    wanted = Webhook(url=url, headers=SecretDict({"Content-Type": "application/json"}))
    try:
        found: Any = Webhook.load(BLOCK)
    except ValueError:  # what Prefect raises if there is none
        return _save(wanted), Change("webhook", BLOCK, "made")
    identity: UUID = found._block_document_id  # noqa: SLF001 - Prefect has no public name for it
    if found.url == url and found.headers == wanted.headers:
        return identity, Change("webhook", BLOCK, "unchanged")
    return _save(wanted), Change("webhook", BLOCK, "changed")


def _save(block: Webhook) -> UUID:
    identity: Any = block.save(BLOCK, overwrite=True)
    return UUID(str(identity))
