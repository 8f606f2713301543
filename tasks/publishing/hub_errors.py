"""What goes wrong with the Hub, as our errors: one line, without the token."""

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
def explained(repository: str, token: SecretStr) -> Iterator[None]:
    """Raise what the Hub's client raises as an error of ours.

    token: is blotted out of every message.
    """
    import httpx2

    try:
        yield
    except (httpx2.HTTPError, ConnectionError, RuntimeError, ValueError) as error:
        raise _explanation(error, repository, token.get_secret_value()) from error


def _explanation(error: BaseException, repository: str, secret: str) -> HuggingtweetsError:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    said = _said(str(error) or type(error).__name__, secret)
    if isinstance(error, HFValidationError):
        return BadInput(f"{plain(repository, 80)} cannot be a name on the Hub ({said})")
    if isinstance(error, HfHubHTTPError):
        return _of_answer(error, repository, secret)
    if isinstance(error, httpx2.HTTPError | ConnectionError):
        return NetworkTrouble(f"{repository}: no answer from the Hub ({said}): try again")
    if isinstance(error, RuntimeError):
        # The client's word for a failed upload; what it met is its cause.
        cause = error.__cause__ or ConnectionError(said)
        return _explanation(cause, repository, secret)
    if type(error).__name__ == "JSONDecodeError":
        # An error page where JSON was due, as a 429 in the middle of a commit brings.
        return ServerTrouble(f"{repository}: the Hub answered nonsense ({said}): try again")
    return PermanentError(f"{repository}: the Hub does not accept the release ({said})")


def _of_answer(error: HfHubHTTPError, repository: str, secret: str) -> HuggingtweetsError:
    status = error.response.status_code
    said = _said(error.server_message or str(error), secret)
    if status == 429:
        return RateLimited(
            f"{repository}: the Hub asks for a pause (429): wait and try again",
            next_attempt_at=_next_attempt(error),
        )
    if status in (401, 403, 404):
        return PermanentError(
            f"{repository}: the Hub refuses the token ({status}: {said}): set "
            "HUGGINGTWEETS_HUB_TOKEN to one that may write there, and check the namespace"
        )
    if status == 412:
        return ServerTrouble(f"{repository}: somebody else published just now (412): try again")
    if status >= 500 or status in (408, 409):
        return ServerTrouble(f"{repository}: the Hub is in trouble ({status}): try again")
    return PermanentError(f"{repository}: the Hub does not accept the release ({status}: {said})")


def _next_attempt(error: HfHubHTTPError) -> datetime | None:
    """When the Hub says that it listens again: `Retry-After`, or `RateLimit: …;t=seconds`."""
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
