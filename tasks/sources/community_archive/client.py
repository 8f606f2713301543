"""Requests to the Community Archive's database, repeated where that helps."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from tasks.core.errors import NetworkTrouble, ServerTrouble, TokenRefused
from tasks.core.names import Handle
from tasks.sources.community_archive.refusals import GUIDE, error_of
from tasks.sources.pace import Pace, Timeouts, with_retries

if TYPE_CHECKING:
    import httpx

PUBLIC_URL = "https://fabxmporizzqflnftavs.supabase.co"
# A page of 1,000 posts has about a megabyte, and 25 where each is as long as X allows.
MAX_BODY = 64 << 20
_FULL, _PART = 200, 206
Parameters = Sequence[tuple[str, str]]


class CommunityArchiveClient:
    """Reads the tables of the Community Archive over PostgREST.

    Server errors, broken responses and timeouts are retried with growing pauses; see
    `with_retries`. key: the service's public key; url: of the service, without `/rest/v1`.
    Raises TokenRefused for a key that cannot be one.
    """

    def __init__(
        self,
        key: SecretStr,
        url: str | None = None,
        *,
        pace: Pace | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._key = _checked_key(key)
        self._url = (url or PUBLIC_URL).rstrip("/")
        self._timeouts = timeouts or Timeouts()
        self._client: httpx.Client | None = None
        self.pace = pace or Pace()

    def rows(self, table: str, parameters: Parameters, handle: Handle) -> list[dict[str, Any]]:
        """The rows that PostgREST returns for a table; errors name `handle`.

        Raises SourceStopped, TokenRefused or a transient error.
        """
        return with_retries(self.pace, lambda: self._asked_once(table, parameters, f"@{handle}"))

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _asked_once(self, table: str, parameters: Parameters, about: str) -> list[dict[str, Any]]:
        import httpx

        self.pace.permit()
        try:
            answer = self._open().get(f"/rest/v1/{table}", params=list(parameters))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NetworkTrouble(
                f"{about}: no complete response from {self._url} ({type(error).__name__}): "
                "check the connection and the address, or try later"
            ) from error
        except ValueError as error:  # of the transport
            raise ServerTrouble(f"{about}: from {self._url}: {error}: try later") from error
        if answer.status_code not in (_FULL, _PART):
            now = datetime.fromtimestamp(self.pace.now(), UTC)
            raise error_of(answer.status_code, answer.headers, answer.content, about, now)
        return _rows_in(answer.content, about)

    def _open(self) -> httpx.Client:
        # Slow to import, and only this source and Bluesky need it.
        import httpx

        from tasks.sources.bounded_transport import BoundedTransport

        if self._client is None:
            limits = self._timeouts
            key = self._key.get_secret_value()
            self._client = httpx.Client(
                base_url=self._url,
                headers={"apikey": key, "Authorization": f"Bearer {key}"},
                timeout=httpx.Timeout(limits.read, connect=limits.connect),
                transport=BoundedTransport(MAX_BODY, limits.total),
            )
        return self._client


def _rows_in(body: bytes, about: str) -> list[dict[str, Any]]:
    try:
        rows = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ServerTrouble(
            f"{about}: the Community Archive answered with something other than JSON: try later"
        ) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ServerTrouble(f"{about}: the Community Archive answered without rows: try later")
    return rows


def _checked_key(key: SecretStr) -> SecretStr:
    plain = key.get_secret_value().strip()
    if not re.fullmatch(r"[\x21-\x7e]+", plain):
        raise TokenRefused(
            "the key of the Community Archive is empty or holds characters that no key has: set "
            f"HUGGINGTWEETS_COMMUNITY_ARCHIVE_KEY to the public key in {GUIDE}"
        )
    return SecretStr(plain)
