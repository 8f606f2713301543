"""Fetching from an address that a stranger chose."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.core.errors import BadInput, NetworkTrouble
from tasks.publishing.safe_fetch import Bounds, fetch
from tests.servers.pictures import Pictures, running_pictures

HERE = Bounds(1000, 5, ("image/png",), private=True)
PUBLIC = replace(HERE, private=False)


@pytest.fixture(scope="module")
def pictures() -> Iterator[Pictures]:
    with running_pictures() as pictures:
        pictures.files["/a.png"] = ("image/png", b"picture")
        pictures.files["/page"] = ("text/html", b"<html>")
        pictures.files["/large"] = ("image/png", b"x" * 1001)
        pictures.files["/full"] = ("image/png; charset=x", b"x" * 1000)
        yield pictures


def test_a_file_is_fetched_with_its_query(pictures: Pictures) -> None:
    assert fetch(f"{pictures.url}/a.png?size=1#top", HERE) == b"picture"
    assert fetch(f"{pictures.url}/full", HERE) == b"x" * 1000


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/page", "'text/html', not one of image/png"),
        ("/large", "larger than 1,000 bytes"),
        ("/away", "status 307"),
        ("/none", "status 404"),
        ("", "status 404"),
    ],
)
def test_what_is_not_wanted_is_refused(pictures: Pictures, path: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        fetch(f"{pictures.url}{path}", HERE)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.1", "2130706433", "127.1",
     "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "[fd00::1]", "[fe80::1]",
     "[2002:7f00:1::1]", "224.0.0.1", "[64:ff9b::7f00:1]", "[::7f00:1]", "[::ffff:0:127.0.0.1]",
     "[fec0::1]", "[5f00::1]"],
)  # fmt: skip
def test_private_hosts_are_not_asked(pictures: Pictures, host: str) -> None:
    pictures.requests.clear()
    port = pictures.url.rpartition(":")[2]
    with pytest.raises((BadInput, NetworkTrouble)) as caught:
        fetch(f"https://{host}:{port}/a.png", PUBLIC)
    # A machine without IPv6 may not even look such an address up.
    assert caught.type is BadInput or host.startswith("[")
    assert pictures.requests == []


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://a.example/a.png", "http://", "//a.example/a", "a.png", "",
     "http://user:word@a.example/a.png", "http://a.example/a b", "http://a.example/\r\nX: y",
     "http://a.example:99999/", "http://a.example:0/", "http://[::1/", "http://ä.example/"],
)  # fmt: skip
def test_what_is_no_address_of_a_page_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="URL"):
        fetch(url, HERE)


def test_the_public_net_is_asked_over_https_only(pictures: Pictures) -> None:
    pictures.requests.clear()
    with pytest.raises(BadInput, match=r"127\.0\.0\.1: not an https URL"):
        fetch(f"{pictures.url}/a.png", PUBLIC)
    assert pictures.requests == []


def test_a_server_that_drips_is_left_when_the_time_is_up(pictures: Pictures) -> None:
    started = time.monotonic()
    with pytest.raises((NetworkTrouble, BadInput)):
        fetch(f"{pictures.url}/drip", replace(HERE, seconds=0.5, bytes=1_000_000))
    assert time.monotonic() - started < 5


def test_a_server_that_says_nothing_is_left_when_the_time_is_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(NetworkTrouble, match=r"127\.0\.0\.1: no response"):
            fetch(address, replace(HERE, seconds=0.2))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of this machine's own, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, made = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=here", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    made.write_bytes(key.read_bytes() + made.read_bytes())
    return made


def test_https_is_spoken_with_those_who_can_be_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_pictures(certificate) as pictures:
        pictures.files["/a.png"] = ("image/png", b"picture")
        with pytest.raises(NetworkTrouble, match="SSLCertVerificationError"):
            fetch(f"{pictures.url}/a.png", HERE)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert fetch(f"{pictures.url}/a.png", HERE) == b"picture"
        with pytest.raises((NetworkTrouble, BadInput)):
            fetch(f"{pictures.url}/drip", replace(HERE, seconds=0.5, bytes=1_000_000))


def test_nobody_is_there() -> None:
    with pytest.raises(NetworkTrouble, match="no response"):
        fetch("http://127.0.0.1:9/", HERE)
