"""Translates errors of the Hub's client into ours: one line, without the token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import SecretStr

from tasks.core.errors import (
    BadInput,
    HuggingtweetsError,
    NetworkTrouble,
    PermanentError,
    RateLimited,
    ServerTrouble,
)
from tasks.publishing.escaping import plain

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_RESET = re.compile(r"\bt=(\d+)")
_LONGEST_PAUSE = 24 * 3600


@contextmanager
def hub_errors_translated(repository: str, token: SecretStr) -> Iterator[None]:
    """Raise errors of the Hub's client as ours.

    token: masked in every message.
    """
    import httpx2

    try:
        yield
    except (httpx2.HTTPError, ConnectionError, RuntimeError, ValueError) as error:
        raise _translated(error, repository, token.get_secret_value()) from error


def _translated(error: BaseException, repository: str, secret: str) -> HuggingtweetsError:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    said = _said(str(error) or type(error).__name__, secret)
    if isinstance(error, HFValidationError):
        return BadInput(
            f"{plain(repository, 80)} is not a valid repository name on the Hub ({said})"
        )
    if isinstance(error, HfHubHTTPError):
        return _of_response(error, repository, secret)
    if isinstance(error, httpx2.HTTPError | ConnectionError):
        return NetworkTrouble(f"{repository}: no answer from the Hub ({said}): try again")
    if isinstance(error, RuntimeError):
        # The client wraps the cause of a failed upload.
        cause = error.__cause__ or ConnectionError(said)
        return _translated(cause, repository, secret)
    if type(error).__name__ == "JSONDecodeError":
        # An error page instead of JSON, as after a 429 in the middle of a commit.
        return ServerTrouble(f"{repository}: the Hub's answer is not JSON ({said}): try again")
    return PermanentError(f"{repository}: the Hub does not accept the release ({said})")


def _of_response(error: HfHubHTTPError, repository: str, secret: str) -> HuggingtweetsError:
    status = error.response.status_code
    said = _said(error.server_message or str(error), secret)
    if status == 429:
        return RateLimited(
            f"{repository}: the Hub limits requests (429): wait and try again",
            next_attempt_at=_next_attempt(error),
        )
    if status in (401, 403, 404):
        return PermanentError(
            f"{repository}: the Hub refuses the token ({status}: {said}): set "
            "HUGGINGTWEETS_HUB_TOKEN to one that may write there, and check the namespace"
        )
    if status == 412:
        return ServerTrouble(
            f"{repository}: another process published at the same time (412): try again"
        )
    if status >= 500 or status in (408, 409):
        return ServerTrouble(f"{repository}: the Hub has a server error ({status}): try again")
    return PermanentError(f"{repository}: the Hub does not accept the release ({status}: {said})")


def _next_attempt(error: HfHubHTTPError) -> datetime | None:
    """When to try again, by `Retry-After` or `RateLimit: …;t=seconds`; None if neither is there."""
    headers = error.response.headers
    pause = headers.get("Retry-After", "")
    if not pause.isdecimal():
        found = _RESET.search(headers.get("RateLimit", ""))
        pause = found[1] if found else ""
    if not pause:
        return None
    return datetime.now(UTC) + timedelta(seconds=min(int(pause), _LONGEST_PAUSE))


def _said(text: str, secret: str) -> str:
    return plain(text.replace(secret, "***") if secret else text, 160)
