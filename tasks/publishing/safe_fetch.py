"""Fetches a small file from an untrusted URL, without reaching private networks (SSRF).

A host that resolves to a private address is refused; the connection goes to the very address that
was checked; redirects are not followed. Proxies are not used, since they would resolve the name
again.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from tasks.core.errors import BadInput, NetworkTrouble
from tasks.publishing.public_addresses import is_public

_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Bounds:
    """The limits of a fetch.

    bytes: of the response body; seconds: for the whole fetch, without name resolution.
    types: accepted content types.
    private: whether to allow private networks, and plain http.
    """

    bytes: int
    seconds: float
    types: tuple[str, ...]
    private: bool = False


def fetch(url: str, bounds: Bounds) -> bytes:
    """The file at `url`, over https. Raises BadInput, NetworkTrouble."""
    address = _split(url)
    if address.scheme != "https" and not bounds.private:
        raise BadInput(f"{str(address.hostname)[:80]}: not an https URL")
    shown = f"{address.hostname}"[:80]
    try:
        with _connection(address, bounds) as connection:
            headers = {"Host": address.netloc, "User-Agent": "huggingtweets", "Connection": "close"}
            path = address._replace(scheme="", netloc="", fragment="").geturl() or "/"
            connection.request("GET", path, headers=headers)
            return _body(connection.getresponse(), bounds, shown)
    except (OSError, http.client.HTTPException) as error:
        reason = (
            "its name is not found" if isinstance(error, socket.gaierror) else type(error).__name__
        )
        raise NetworkTrouble(f"{shown}: no response ({reason})") from error


def _split(url: str) -> SplitResult:
    try:
        address = urlsplit(url)
        port = address.port
    except ValueError as error:
        raise BadInput("not a valid URL") from error
    is_plain = url.isascii() and url.isprintable() and " " not in url and "@" not in address.netloc
    if address.scheme not in _PORTS or not address.hostname or not is_plain or port == 0:
        raise BadInput("not an http(s) URL")
    return address


@contextmanager
def _connection(address: SplitResult, bounds: Bounds) -> Iterator[http.client.HTTPConnection]:
    host, port = str(address.hostname), address.port or _PORTS[address.scheme]
    where = _resolved(host, port, private=bounds.private)
    with (
        socket.create_connection(where, timeout=bounds.seconds) as plain,
        _closed_after(plain, bounds),
    ):
        if address.scheme == "https":
            secure = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
            with secure, _closed_after(secure, bounds):
                yield _over(secure, host, port)
        else:
            yield _over(plain, host, port)


def _over(connected: socket.socket, host: str, port: int) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(host, port)
    connection.sock = connected
    return connection


@contextmanager
def _closed_after(connected: socket.socket, bounds: Bounds) -> Iterator[None]:
    """Shut the connection down when its time is up: a socket timeout restarts with every byte."""
    timer = threading.Timer(bounds.seconds, _shut, [connected])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(connected: socket.socket) -> None:
    try:
        # Not the TLS socket's method, which would first send close_notify.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
    except OSError:
        return  # closed already


def _resolved(host: str, port: int, *, private: bool) -> tuple[str, int]:
    """The host's first address and the port. Raises BadInput unless all addresses are public."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]) for each in found]
    if not private and not all(map(is_public, addresses)):
        raise BadInput(f"{host[:80]} is on a private network")
    return addresses[0], port


def _body(response: http.client.HTTPResponse, bounds: Bounds, host: str) -> bytes:
    if response.status != 200:
        raise BadInput(f"{host}: status {response.status}")
    kind = response.headers.get_content_type()
    if kind not in bounds.types:
        raise BadInput(f"{host}: content type {kind[:40]!r}, not one of {', '.join(bounds.types)}")
    data = response.read(bounds.bytes + 1)
    if len(data) > bounds.bytes:
        raise BadInput(f"{host}: the file is larger than {bounds.bytes:,} bytes")
    return data
