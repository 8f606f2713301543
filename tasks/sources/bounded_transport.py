"""A transport for httpx that bounds the body of a response, after decompression too.

It goes through the proxy that the environment names (`HTTPS_PROXY`, `NO_PROXY` …), as the client of
the X API does: httpx looks at the environment only if it makes the transport itself.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from typing import cast

import httpx

from tasks.core.errors import BadInput

MAX_BODY = 16 << 20  # bytes; a page of 100 posts has under one million
MAX_SECONDS = 90.0
_CHUNK = 1 << 16
_GZIP_OR_ZLIB = 47  # zlib's `wbits`


class BoundedTransport(httpx.HTTPTransport):
    """Decompresses what it receives itself, since httpx would do so without a bound.

    Reading a body that is larger than `max_body` bytes, takes longer than `max_seconds`, or is
    compressed in another way than was asked for, raises ValueError.
    """

    def __init__(self, max_body: int = MAX_BODY, max_seconds: float = MAX_SECONDS) -> None:
        super().__init__()
        self._max_body = max_body
        self._max_seconds = max_seconds
        self._proxies: dict[str, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises httpx's exceptions, BadInput for an unusable proxy."""
        request.headers["accept-encoding"] = "gzip"
        by_proxy = self._proxy_for(str(request.url))
        send = by_proxy.handle_request if by_proxy else super().handle_request
        response = send(request)
        encoding = response.headers.pop("content-encoding", "identity")
        received = cast("httpx.SyncByteStream", response.stream)
        response.stream = _BoundedBody(received, encoding, self._max_body, self._max_seconds)
        return response

    def _proxy_for(self, url: str) -> httpx.HTTPTransport | None:
        from requests.utils import get_environ_proxies, select_proxy  # as the X API's client does

        proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None))
        if not proxy:
            return None
        if proxy not in self._proxies:
            self._proxies[proxy] = _through(proxy)
        return self._proxies[proxy]

    def close(self) -> None:
        """Close the connections, those to proxies too."""
        super().close()
        for each in self._proxies.values():
            each.close()


def _through(proxy: str) -> httpx.HTTPTransport:
    address = proxy if "://" in proxy else f"http://{proxy}"
    try:
        return httpx.HTTPTransport(proxy=address)
    except (ValueError, httpx.InvalidURL, ImportError) as error:
        scheme = address.partition("://")[0][:20]  # not the address, which may hold a password
        raise BadInput(
            f"the proxy that HTTPS_PROXY or ALL_PROXY names cannot be used ({scheme}): "
            "give one as http://host:port, or unset the variable"
        ) from error


class _BoundedBody(httpx.SyncByteStream):
    def __init__(
        self, received: httpx.SyncByteStream, encoding: str, max_body: int, max_seconds: float
    ) -> None:
        self._received = received
        self._encoding = encoding
        self._max_body = max_body
        self._max_seconds = max_seconds

    def __iter__(self) -> Iterator[bytes]:
        size, give_up = 0, time.monotonic() + self._max_seconds
        for chunk in self._decoded():
            size += len(chunk)
            if size > self._max_body:
                raise ValueError("the body is too large")
            if time.monotonic() > give_up:
                raise ValueError("the body comes too slowly")
            yield chunk

    def close(self) -> None:
        self._received.close()

    def _decoded(self) -> Iterator[bytes]:
        if self._encoding == "identity":
            yield from self._received
        elif self._encoding in {"gzip", "deflate"}:
            yield from self._decompressed()
        else:
            raise ValueError("the body has an unknown encoding")

    def _decompressed(self) -> Iterator[bytes]:
        decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
        for received in self._received:
            chunk = received
            while chunk and not decoder.eof:
                try:
                    yield decoder.decompress(chunk, _CHUNK)
                except zlib.error as error:
                    raise ValueError("the body is not compressed as it says") from error
                chunk = decoder.unconsumed_tail
