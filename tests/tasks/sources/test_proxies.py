"""Community Archive and Bluesky are asked through the proxy that the environment names."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from pydantic import SecretStr

from tasks.core.errors import BadInput
from tasks.core.names import BlueskyHandle, Handle
from tasks.sources.bluesky.client import BlueskyClient
from tasks.sources.community_archive.client import CommunityArchiveClient

ALICE = Handle("alice")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class Proxy:
    """A proxy that answers everything itself. asked: the addresses that it was asked for."""

    def __init__(self, answer: bytes) -> None:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None: ...

        self.asked = asked
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    found = Proxy(b"[]")
    thread = Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def archive(url: str) -> CommunityArchiveClient:
    return CommunityArchiveClient(SecretStr("key"), url)


def test_the_community_archive_is_asked_through_a_proxy(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    client = archive("http://archive.invalid")
    assert client.rows("tweets", [], ALICE) == []
    client.close()
    assert proxy.asked == ["http://archive.invalid/rest/v1/tweets"]


def test_bluesky_is_asked_through_a_proxy(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.url}")
    client = BlueskyClient("http://sky.invalid")
    with pytest.raises(Exception, match="something other than a JSON object"):
        client.ask("app.bsky.x", BlueskyHandle("alice.test"), {})
    client.close()
    assert proxy.asked == ["http://sky.invalid/xrpc/app.bsky.x"]


def test_what_needs_no_proxy_is_asked_directly(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://nowhere.invalid:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = archive(f"http://{proxy.url}")
    assert client.rows("tweets", [], ALICE) == []
    client.close()
    assert proxy.asked == ["/rest/v1/tweets"]


@pytest.mark.parametrize("address", ["ftp://me:secret@host:1", "socks5://me:secret@host:1"])
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", address)
    client = archive("http://archive.invalid")
    with pytest.raises(BadInput, match=r"cannot be used \((ftp|socks5)\)") as raised:
        client.rows("tweets", [], ALICE)
    client.close()
    assert "secret" not in str(raised.value)
    assert proxy.asked == []
