"""Who is answered by the local page, and what every answer carries: over raw HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from deployments.web.login import token_for
from deployments.web.pages import FOLDER
from tasks.core.settings import settings
from tests.deployments.web.serving import Page, serving

TOKEN = "a token of a test, long enough"  # noqa: S105


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with serving(most_upload=1_000_000) as page:
        yield page


@pytest.fixture(scope="module")
def locked() -> Iterator[Page]:
    with serving(token=SecretStr(TOKEN)) as page:
        yield page


def test_every_answer_is_protected(page: Page) -> None:
    for path in (
        "/",
        "/nothing",
        "/api/bots",
        "/api/nothing",
        "/static/web.css",
        "/assets/site.css",
        "/favicon.ico",
    ):
        headers = httpx.get(page.url + path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers
    refused = page.ask("GET / HTTP/1.1", "Host: evil.example").lower()
    assert b"content-security-policy" in refused


def test_no_page_has_a_script_or_a_style_of_its_own(page: Page) -> None:
    templates = list(FOLDER.glob("templates/*.html"))
    assert templates
    for file in templates:
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", file.read_text()), file
    html = httpx.get(page.url).text
    assert html.count("<script") == len(re.findall(r'<script [^>]*src="/(static|assets)/', html))
    assert "http" not in html.replace(page.url, ""), "nothing is loaded from elsewhere"


@pytest.mark.parametrize(
    "headers",
    [
        ("Host: evil.example",),
        ("Host: HOST", "Origin: http://evil.example"),
        ("Host: HOST", "Origin: null"),
        ("Host: HOST", "Sec-Fetch-Site: cross-site"),
        ("Host: HOST", "Sec-Fetch-Site: same-site"),
        ("Host: HOST", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"),
        (
            "Host: HOST",
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: iframe",
        ),
    ],
)
def test_what_other_sites_send_is_refused(page: Page, headers: tuple[str, ...]) -> None:
    for path in ("/", "/api/bots", "/api/bots/alice/posts", "/static/web.css"):
        assert page.status(f"GET {path} HTTP/1.1", *headers) == 403, path


def test_a_link_of_another_site_leads_to_a_page_but_not_into_the_api(page: Page) -> None:
    link = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
    assert page.get("/", *link) == 200
    assert page.get("/api/bots", *link) == 403
    assert page.status("POST / HTTP/1.1", "Host: HOST", *link) == 403
    assert page.get("/api/bots", "Sec-Fetch-Site: same-origin") == 200
    assert page.get("/api/bots") == 200, "programs send none"


def test_no_form_and_no_long_body_gets_in(page: Page) -> None:
    def post(path: str, kind: str, length: int | None, body: str = "") -> int:
        size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        return page.status(
            f"POST {path} HTTP/1.1", "Host: HOST", f"Content-Type: {kind}", size, body=body
        )

    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; a=b"):
        assert post("/login", kind, 2, "{}") == 415
    assert post("/login", "application/json", 65_537) == 413
    assert post("/login", "application/json", None, "2\r\n{}\r\n0\r\n\r\n") == 411
    assert post("/login", "application/json", 2, "{}") == 422
    assert post("/api/uploads", "application/octet-stream", 1_000_001) == 413


@pytest.mark.parametrize(
    "path",
    [
        "/static/../application.py", "/static/%2e%2e/application.py", "/static/..%2flogin.py",
        "/assets/../pages.py", "/assets/..%2fpages.py",
        "/bots/../../etc/passwd", "/bots/%2e%2e/picture.png", "/bots/alice%2f..%2f..",
        "/bots/ALICE", "/bots/@alice", "/bots/alice/../manifest.json", "/bots/alice/manifest.json",
        "/bots/alice/model.safetensors", "/bots/%00", "/bots/https:%2f%2fx.com%2falice", "/docs",
        "/redoc", "/openapi.json", "/bots/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/api/bots/%3Cscript%3E/posts", "/api/bots/nobody/posts", "/api/bots/nobody",
    ],
)  # fmt: skip
def test_nothing_else_is_served(page: Page, path: str) -> None:
    answer = page.ask(f"GET {path} HTTP/1.1", "Host: HOST")
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 405")), answer[:80]
    assert b"<script>alert" not in answer


@pytest.mark.parametrize(
    "query",
    ["number=0", "number=21", "temperature=0", "temperature=nan", "temperature=inf", "seed=-1",
     "seed=99999999999999999999", f"start={'x' * 501}", "number=x"],
)  # fmt: skip
def test_wishes_are_bounded(page: Page, query: str) -> None:
    answer = httpx.get(f"{page.url}/api/bots/alice/posts?{query}")
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(query.partition("=")[0])


def test_the_api_describes_itself(page: Page) -> None:
    described = httpx.get(f"{page.url}/api/openapi.json").json()
    assert {"/api/bots", "/api/bots/{bot}", "/api/bots/{bot}/posts"} <= set(described["paths"])


def test_a_login_is_needed_where_others_could_reach_the_page() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.0.0.2"):
        assert token_for(host, (), None) is None
        assert token_for(host, ("bots.example.com",), None) is not None, "a proxy may be before it"
        assert token_for(host, (), SecretStr(TOKEN)) == SecretStr(TOKEN)
    for host in ("0.0.0.0", "::", "192.168.1.5", "bots.example.com"):  # noqa: S104
        drawn = token_for(host, (), None)
        assert drawn is not None
        assert len(drawn.get_secret_value()) > 40
        assert drawn != token_for(host, (), None)


def test_without_the_token_nothing_is_shown(locked: Page) -> None:
    with httpx.Client(base_url=locked.url) as visitor:
        for path in ("/", "/bots/alice", "/bots/alice/picture.png", "/make", "/nothing"):
            answer = visitor.get(path)
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (
                303,
                "/login",
            )
        for path in ("/api/bots", "/api/openapi.json", "/api/bots/alice/posts", "/api/nothing"):
            assert visitor.get(path).status_code == 401
            wrong = {"Authorization": f"Bearer {TOKEN}x"}
            assert visitor.get(path, headers=wrong).status_code == 401
        for path in ("/login", "/static/web.css", "/static/login.js", "/assets/site.css"):
            assert visitor.get(path).status_code == 200, path
        assert visitor.get("/login", params={"token": "wrong"}).status_code == 200
        assert visitor.post("/login", json={"token": "wrong"}).status_code == 403
        assert not visitor.cookies
        forged = {"Cookie": f"huggingtweets-session-{locked.port}={TOKEN}"}
        assert visitor.get("/api/bots", headers=forged).status_code == 401


def test_the_token_opens_the_page(locked: Page) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{locked.url}/api/bots", headers=bearer).status_code == 200
    with httpx.Client(base_url=locked.url) as visitor:
        assert visitor.get("/login", params={"token": TOKEN}).headers["location"] == "/"
        assert visitor.get("/").status_code == 200
    with httpx.Client(base_url=locked.url) as visitor:
        answer = visitor.post("/login", json={"token": TOKEN})
        assert answer.status_code == 204
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        assert visitor.get("/api/bots").status_code == 200


def test_a_token_of_the_settings_is_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.core.errors import BadInput

    monkeypatch.setenv("HUGGINGTWEETS_WEB_TOKEN", "")
    settings.cache_clear()
    assert settings().web_token is None
    monkeypatch.setenv("HUGGINGTWEETS_WEB_TOKEN", "short")
    settings.cache_clear()
    with pytest.raises(BadInput, match="WEB_TOKEN") as refused:
        settings()
    assert "short" not in str(refused.value).replace("too short", "")
