"""What tweepy's session lacks: timeouts, bounds, a base URL, and a token that stays hidden.

tweepy writes the headers that it sends to its debug log. Therefore it does not get the token: the
adapter below adds it to each request at the last moment, and only for the address of the API.
"""

from __future__ import annotations

import io
import re
import time
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from pydantic import SecretStr
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from tasks.core.errors import BadInput, TokenRefused
from tasks.sources.pace import Timeouts

TWEEPY_HOST = "https://api.twitter.com"  # fixed in tweepy
MAX_BODY = 16 << 20  # a page of 100 posts is under one megabyte
_CHUNK = 1 << 16
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


class XTransport(HTTPAdapter):
    """Sends tweepy's requests to the API's address, and keeps the last response.

    address: https, or http on this machine; None is X's.
    answer: the last response with its body read, or None if there was none.
    Raises BadInput, TokenRefused.
    """

    def __init__(self, token: SecretStr, address: str | None, timeouts: Timeouts) -> None:
        self._token = _checked_token(token)
        self._address = _checked_address(address or TWEEPY_HOST)
        self._timeouts = timeouts
        self.answer: requests.Response | None = None
        super().__init__()

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send one request and read the whole response. Raises requests' exceptions."""
        self.answer = None
        asked = urlsplit(request.url or "")
        here = urlsplit(self._address)
        path = here.path.rstrip("/") + asked.path
        url = urlunsplit((here.scheme, here.netloc, path, asked.query, ""))
        request.url = url
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        proxies = get_environ_proxies(url, no_proxy=None)
        timeout = (self._timeouts.connect, self._timeouts.read)
        options.update(timeout=timeout, stream=True, proxies=proxies)
        answer = super().send(request, **options)
        body = self._read(answer)
        answer.close()
        answer.raw = io.BytesIO(body)
        self.answer = answer
        return answer

    def _read(self, answer: requests.Response) -> bytes:
        """The body, in bounded memory and time. Raises urllib3's errors as requests'."""
        from urllib3.exceptions import HTTPError

        body = bytearray()
        give_up = time.monotonic() + self._timeouts.total
        try:
            while chunk := answer.raw.read1(_CHUNK, decode_content=True):
                body += chunk
                if len(body) > MAX_BODY:
                    raise requests.exceptions.ContentDecodingError("the answer is too large")
                if time.monotonic() > give_up:
                    raise requests.exceptions.ReadTimeout("the answer comes too slowly")
        except (HTTPError, OSError) as error:
            if isinstance(error, requests.RequestException):
                raise
            raise requests.exceptions.ConnectionError("the answer broke off") from error
        return bytes(body)


def _checked_token(token: SecretStr) -> SecretStr:
    plain = token.get_secret_value().strip()
    if not re.fullmatch(r"[\x21-\x7e]+", plain):
        raise TokenRefused(
            "the bearer token of the X API is empty or holds characters that no token has: "
            "correct HUGGINGTWEETS_X_BEARER_TOKEN"
        )
    return SecretStr(plain)


def _checked_address(address: str) -> str:
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError as error:
        raise BadInput(f"HUGGINGTWEETS_X_API_URL is not a URL ({error}): correct it") from error
    if host and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)):
        return address
    raise BadInput(
        "HUGGINGTWEETS_X_API_URL must begin with https://, so that nobody on the way reads the "
        "token; http:// is for this machine only"
    )
