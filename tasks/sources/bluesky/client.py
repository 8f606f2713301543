"""Requests to Bluesky through atproto, with every failure as one of our errors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.core.errors import (
    AccountNotFound,
    AccountProtected,
    AccountSuspended,
    AccountUnavailable,
    HuggingtweetsError,
    NetworkTrouble,
    RateLimited,
    ServerTrouble,
    SourceStopped,
)
from tasks.core.names import BlueskyHandle

PUBLIC_URL = "https://public.api.bsky.app"
TIMEOUT = 30.0
LONGEST_PAUSE = timedelta(days=1)

_NOT_FOUND = ("not found", "unable to resolve", "valid did or a handle", "reponotfound")
_GONE: tuple[type[AccountUnavailable], str] = (
    AccountSuspended,
    "Bluesky has suspended the account: leave it out",
)
_ASLEEP: tuple[type[AccountUnavailable], str] = (
    AccountUnavailable,
    "its owner has deactivated the account: leave it out",
)
_BLOCKED: tuple[type[AccountUnavailable], str] = (
    AccountProtected,
    "the account is blocked: leave it out",
)
_BY_NAME = {
    "AccountTakedown": _GONE,
    "RepoTakendown": _GONE,
    "AccountSuspended": _GONE,
    "RepoSuspended": _GONE,
    "AccountDeactivated": _ASLEEP,
    "RepoDeactivated": _ASLEEP,
    "BlockedActor": _BLOCKED,
    "BlockedByActor": _BLOCKED,
}


class BlueskyClient:
    """Reads Bluesky without a login.

    base_url: of the service, without `/xrpc`. timeout: seconds to connect, and between two reads.
    """

    def __init__(self, base_url: str | None = None, timeout: float = TIMEOUT) -> None:
        self._url = base_url or PUBLIC_URL
        self._timeout = timeout
        self._client: Any = None

    def ask(self, method: str, handle: BlueskyHandle, params: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that a method returns; errors name `handle`.

        Raises AccountUnavailable, SourceStopped or a transient error.
        """
        import httpx
        from atproto_client.models.dot_dict import DotDict  # type: ignore[import-untyped]
        from atproto_core.exceptions import AtProtocolError  # type: ignore[import-untyped]

        client, wanted = self._open(), DotDict(dict(params))
        try:
            answer = client.invoke_query(method, params=wanted)
        except AtProtocolError as error:
            raise self._error_of(error, handle) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error, handle) from error
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            # What the library raises while it reads a hostile body.
            raise self._unreadable(handle, type(error).__name__) from error
        if not isinstance(answer.content, dict):
            raise self._unreadable(handle, type(answer.content).__name__)
        return answer.content

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        if self._client is not None:
            self._client.request.close()
            self._client = None

    def _open(self) -> Any:
        # The package takes a second to import, which runs without Bluesky should not pay.
        from atproto import Client, Request  # type: ignore[import-untyped]

        from tasks.sources.bounded_transport import BoundedTransport

        if self._client is None:
            request = Request(timeout=self._timeout, transport=BoundedTransport())
            self._client = Client(self._url, request)
        return self._client

    def _unreachable(self, error: Exception, handle: BlueskyHandle) -> NetworkTrouble:
        return NetworkTrouble(
            f"@{handle}: no complete response from {self._url} ({type(error).__name__}): "
            "check the connection and the address, or try later"
        )

    def _unreadable(self, handle: BlueskyHandle, seen: str) -> ServerTrouble:
        return ServerTrouble(
            f"@{handle}: {self._url} answered with something other than a JSON object ({seen}): "
            "try later"
        )

    def _error_of(self, error: Exception, handle: BlueskyHandle) -> HuggingtweetsError:
        if not hasattr(error, "response"):  # the library could not read a body
            return self._unreadable(handle, type(error).__name__)
        if (response := error.response) is None:
            return self._unreachable(error, handle)
        name, message = _error_fields(response.content)
        seen = f"@{handle}: {self._url} answered {response.status_code} {name} {message!r}"
        if response.status_code == 429:
            pause = _pause_ends(response.headers, datetime.now(UTC))
            return RateLimited(f"{seen}: too many requests: try later", next_attempt_at=pause)
        return _refusal(response.status_code, name, message, seen)


def _error_fields(content: object) -> tuple[str, str]:
    """The name and message of an error, both short, or defaults if the body has none."""
    name, message = getattr(content, "error", None), getattr(content, "message", None)
    known = name if isinstance(name, str) and name.isascii() and name.isalnum() else "error"
    return known[:40], message[:100] if isinstance(message, str) else ""


def _refusal(status: int, name: str, message: str, seen: str) -> HuggingtweetsError:
    if status == 408 or status >= 500 or status in (409, 413):
        return ServerTrouble(f"{seen}: try later")
    if name in _BY_NAME:
        error, advice = _BY_NAME[name]
        return error(f"{seen}: {advice}")
    if any(words in f"{name} {message}".lower() for words in _NOT_FOUND):
        return AccountNotFound(f"{seen}: no account has this handle: check its spelling")
    if status == 400:
        return AccountUnavailable(f"{seen}: its posts cannot be read: look at it in a browser")
    return SourceStopped(f"{seen}: nothing can be read without a login: check the address")


def _pause_ends(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """When the pause ends by `ratelimit-reset` or `retry-after`, None if neither says."""
    try:
        if "ratelimit-reset" in headers:
            ends = datetime.fromtimestamp(float(headers["ratelimit-reset"]), UTC)
        else:
            ends = now + timedelta(seconds=float(headers["retry-after"]))
    except (KeyError, ValueError, OverflowError, OSError):
        return None
    return min(max(ends, now), now + LONGEST_PAUSE)
