"""From an upload to what was understood of it, consent, and the bot: over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.web.bot_sources import FromService, first_page
from deployments.web.served_runs import run_of
from flows.requests import BotRequest, RetrainOptions
from tasks.core.errors import AccountNotFound, HuggingtweetsError
from tasks.core.names import Bot, Handle
from tasks.core.settings import settings
from tasks.lake.posts import handles
from tasks.operations.consents import load_consents
from tasks.sources.file_sources import open_file_source
from tasks.storage import storage_root
from tasks.storage.opt_outs import opt_out
from tests.deployments.web.serving import Page, make_here, serving
from tests.sample_posts import write_table
from tests.servers.bluesky import element, running_bluesky
from tests.servers.community_archive import running_community_archive
from tests.servers.community_client import timeline
from tests.servers.prefect_site import running_site, until

BINARY = {"Content-Type": "application/octet-stream"}
AGREED = {"agreed": True, "name": "Alice A."}
END = ("consent", "done", "failed", "cancelled")


@pytest.fixture
def page() -> Iterator[Page]:
    with serving() as page:
        yield page


@pytest.fixture
def visitor(page: Page) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=page.url, timeout=60) as client:
        yield client


def upload(visitor: httpx.Client, content: bytes, name: str) -> str:
    answer = visitor.post("/api/uploads", params={"name": name}, content=content, headers=BINARY)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["upload"])


def start(visitor: httpx.Client, *sources: dict[str, Any]) -> str:
    answer = visitor.post("/api/jobs", json={"sources": sources})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["job"])


def ended(visitor: httpx.Client, job: str, *phases: str) -> dict[str, Any]:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        state: dict[str, Any] = visitor.get(f"/api/jobs/{job}").json()
        if state["phase"] in (phases or END):
            return state
        time.sleep(0.1)
    raise AssertionError(state)


def agreed(visitor: httpx.Client, table: bytes, handle: str) -> str:
    """A job for a table's posts, as far as its owner's consent."""
    job = start(visitor, {"upload": upload(visitor, table, "a.csv"), "handle": handle})
    assert ended(visitor, job)["phase"] == "consent"
    assert visitor.post(f"/api/jobs/{job}/consent", json=AGREED).status_code == 204
    return job


def leftovers(page: Page) -> list[Path]:
    return [file for file in page.uploads_folder.rglob("*") if file.is_file()]


def test_what_was_understood_is_shown_and_nothing_is_stored_without_consent(
    page: Page, visitor: httpx.Client, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "posts.csv", posts=200)
    name = upload(visitor, table.read_bytes(), "posts.csv")
    job = start(visitor, {"upload": name, "handle": "@Alice"})
    state = ended(visitor, job)
    assert state["phase"] == "consent", state
    (source,) = state["understood"]["sources"]
    assert (source["handle"], source["source"], source["file"]) == ("alice", "table", "posts.csv")
    assert source["columns"] == {"id": "id", "created_at": "created_at", "text": "text"}
    assert (source["read"], source["dates"]["understood"]) == (200, 200)
    summary = state["understood"]["curation"]
    assert summary["downloaded"] == 200 == summary["kept"] + sum(summary["dropped"].values())
    reasons = {example["dropped"] for example in state["understood"]["examples"]}
    assert reasons == {None, "retweet"}
    assert handles(storage_root()) == []
    assert visitor.post(f"/api/jobs/{job}/consent", json={"agreed": False, "name": "A"}).is_error
    assert visitor.post(f"/api/jobs/{job}/consent", json={"agreed": True, "name": " "}).is_error
    assert len(leftovers(page)) == 1
    assert visitor.delete(f"/api/jobs/{job}").status_code == 204
    assert ended(visitor, job, "cancelled")["phase"] == "cancelled"
    assert visitor.post(f"/api/jobs/{job}/consent", json={"agreed": True, "name": "A"}).is_error
    assert handles(storage_root()) == []
    assert load_consents(storage_root(), Bot.parse("alice")) == []
    assert leftovers(page) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("photo.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF" + b"\0" * 500),
        ("broken.zip", b"PK\x03\x04" + b"\0" * 100),
        ("<img src=x onerror=alert(1)>.csv", b"\0\1\2\3" * 50),
    ],
)
def test_a_broken_file_gets_the_message_of_import(
    page: Page, visitor: httpx.Client, tmp_path: Path, name: str, content: bytes
) -> None:
    job = start(visitor, {"upload": upload(visitor, content, name), "handle": "alice"})
    state = ended(visitor, job)
    assert state["phase"] == "failed"
    file = tmp_path / name.rpartition("/")[2]
    file.write_bytes(content)
    with pytest.raises(HuggingtweetsError) as refused:
        sum(map(len, open_file_source(file, Handle.parse("alice")).batches(None)))
    assert state["reason"] == str(refused.value).replace(f"{tmp_path}/", "")
    assert leftovers(page) == []


def test_of_a_service_the_first_page_is_read(
    visitor: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_bluesky() as bluesky, running_community_archive() as archive:
        at = datetime(2026, 1, 2, tzinfo=UTC)
        name = "olivia.bsky.social"
        feed = [
            element(name, at + timedelta(hours=hours), f"a post about a quiet moon {hours}")
            for hours in range(250)
        ]
        bluesky.add(name, feed[::-1], displayName="<b>Olivia</b>")
        archive.add("carol", timeline(range(1, 40), Handle("carol")))
        settings_of = {
            "BLUESKY_URL": bluesky.url,
            "COMMUNITY_ARCHIVE_URL": archive.url,
            "COMMUNITY_ARCHIVE_KEY": archive.key,
        }
        for setting, value in settings_of.items():
            monkeypatch.setenv(f"HUGGINGTWEETS_{setting}", value)

        settings.cache_clear()
        job = start(visitor, {"service": "bluesky", "handle": name})
        (source,) = ended(visitor, job)["understood"]["sources"]
        assert (source["name"], source["read"], source["is_first_page"]) == (
            "<b>Olivia</b>", 100, True,
        )  # fmt: skip
        assert len(bluesky.asked("feed")) == 1
        carol = first_page(FromService(service="community_archive", handle="@Carol"))
        assert (carol.handle.name, sum(map(len, carol.batches(None)))) == ("carol", 39)
        with pytest.raises(AccountNotFound, match="does not have this account"):
            first_page(FromService(service="community_archive", handle="nobody"))
    assert handles(storage_root()) == []


def test_an_account_that_opted_out_is_refused(visitor: httpx.Client, tmp_path: Path) -> None:
    opt_out(storage_root(), Handle.parse("alice"), datetime.now(UTC))
    table = write_table(tmp_path / "posts.csv", posts=50)
    job = start(
        visitor, {"upload": upload(visitor, table.read_bytes(), "a.csv"), "handle": "alice"}
    )
    state = ended(visitor, job)
    assert state["phase"] == "failed"
    assert "opted out" in state["reason"]


def test_what_is_asked_for_is_checked(visitor: httpx.Client) -> None:
    def refused(**asked: Any) -> int:
        return visitor.post("/api/jobs", json=asked).status_code

    file = {"upload": "x", "handle": "alice"}
    assert refused(sources=[]) == 422
    assert refused(sources=[file] * 4) == 422
    assert refused(sources=[{**file, "path": "/etc/passwd"}]) == 422
    assert refused(sources=[{"service": "x_api", "handle": "alice"}]) == 422
    assert refused(sources=[file]) == 400, "there is no such upload"
    assert refused(sources=[{**file, "handle": "no handle"}]) == 400
    assert refused(sources=[{"service": "bluesky", "handle": "carol"}]) == 400
    assert refused(sources=[{"service": "community_archive", "handle": "a"}]) == 409, "no key"
    assert refused(sources=[file], base="/etc") == 422
    assert refused(sources=[file], force=True) == 422
    for path in ("", "/events", "/consent"):
        assert visitor.get(f"/api/jobs/guessed{path}").status_code in (404, 405)
    assert visitor.get("/make/guessed").status_code == 404
    assert visitor.get("/api/jobs").status_code == 405, "jobs are not listed"
    assert visitor.get("/make").status_code == 200


def test_a_making_that_is_cancelled_ends_and_leaves_no_bot(
    page: Page, visitor: httpx.Client, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "posts.csv", posts=50)
    names = [upload(visitor, table.read_bytes(), "a.csv") for _ in range(2)]
    job = start(
        visitor, {"upload": names[0], "handle": "bob"}, {"upload": names[1], "handle": "alice"}
    )
    understood = ended(visitor, job)["understood"]
    assert understood["bot"] == "alice-bob"
    assert [source["handle"] for source in understood["sources"]] == ["bob", "alice"]
    assert visitor.post(f"/api/jobs/{job}/consent", json=AGREED).status_code == 204
    assert [each.handle for each in load_consents(storage_root(), Bot.parse("alice-bob"))] == [
        "bob",
        "alice",
    ]
    assert ended(visitor, job, "making")["phase"] == "making"
    assert visitor.delete(f"/api/jobs/{job}").status_code == 204
    assert ended(visitor, job)["phase"] == "cancelled"
    assert visitor.get("/api/bots").json() == []
    assert leftovers(page) == []


@pytest.mark.parametrize(
    ("services", "run"),
    [
        ({}, ("account/account", "stored")),
        ({"alice": "bluesky", "bob": "bluesky"}, ("account/account", "bluesky")),
        ({"alice": "community_archive"}, ("retrain/retrain", None)),
    ],
)
def test_the_flows_take_what_a_bot_is_made_of(
    services: dict[str, str], run: tuple[str, str | None]
) -> None:
    name, parameters = run_of(Bot.parse("alice-bob"), services, "embedded")
    assert (name, parameters.get("source")) == run
    options = RetrainOptions(**parameters["options"])
    assert options.base == "embedded"
    if "bots" in parameters:
        (request,) = map(BotRequest.model_validate, parameters["bots"])
        assert (request.name, request.sources) == ("alice-bob", services)


@pytest.mark.slow
def test_under_serve_the_workers_make_it(
    page: Page,
    visitor: httpx.Client,
    tmp_path: Path,
    tiny_base: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUGGINGTWEETS_BASE", str(tiny_base))
    settings.cache_clear()
    table = write_table(tmp_path / "posts.csv", posts=200)
    with running_site(tmp_path / "site", STORAGE=str(tmp_path / "storage")) as site:
        site.deploy()
        site.start_worker("train", "train")
        monkeypatch.setenv("PREFECT_API_URL", site.url)
        job = agreed(visitor, table.read_bytes(), "alice")
        state = ended(visitor, job, "done", "failed")
        with site.client() as client:
            runs = [run.name for run in client.read_flow_runs()]
    assert state["phase"] == "done", state
    assert state["curve"][-1][0] == 100
    assert {each["state"] for each in state["steps"]} == {"done"}
    assert "retrain @alice" in runs


@pytest.mark.slow
def test_what_workers_make_is_cancelled_before_and_while_they_train(
    page: Page,
    visitor: httpx.Client,
    tmp_path: Path,
    tiny_base: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUGGINGTWEETS_BASE", str(tiny_base))
    settings.cache_clear()
    table = write_table(tmp_path / "posts.csv", posts=20_000).read_bytes()

    def shows(job: str, **values: Any) -> bool:
        state = visitor.get(f"/api/jobs/{job}").json()
        steps = {each["step"]: each["state"] for each in state["steps"]}
        assert state["phase"] in ("waiting", "making"), state
        return values.items() <= {**steps, "run": state["run"]}.items()

    def cancelled(job: str) -> None:
        assert visitor.delete(f"/api/jobs/{job}").status_code == 204
        assert ended(visitor, job, "done", "failed", "cancelled")["phase"] == "cancelled"

    with running_site(tmp_path / "site", STORAGE=str(tmp_path / "storage")) as site:
        site.deploy()
        monkeypatch.setenv("PREFECT_API_URL", site.url)
        waiting = agreed(visitor, table, "alice")
        until(lambda: shows(waiting, run="Scheduled"), 120, "a run without a worker")
        cancelled(waiting)
        site.start_worker("train", "train")
        trained = agreed(visitor, table, "bob")
        until(lambda: shows(trained, train="running"), 240, "the training")
        cancelled(trained)
        until(lambda: not site.held_slots(), 60, "the end of what the run held")
        with site.client() as client:
            states = {run.parameters["bot"]: run.state for run in client.read_flow_runs()
                      if "bot" in run.parameters}  # fmt: skip
    assert {bot: state and state.name for bot, state in states.items()} == {
        "alice": "Cancelled", "bob": "Cancelled",
    }  # fmt: skip
    assert visitor.get("/api/bots").json() == []


@pytest.mark.slow
def test_a_file_becomes_a_bot(
    page: Page,
    visitor: httpx.Client,
    tmp_path: Path,
    tiny_base: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_here(monkeypatch, tmp_path, tiny_base)
    table = write_table(tmp_path / "posts.csv", posts=200)
    name = upload(visitor, table.read_bytes(), "posts.csv")
    job = start(visitor, {"upload": name, "handle": "alice"})
    assert ended(visitor, job)["phase"] == "consent"
    assert visitor.post(f"/api/jobs/{job}/consent", json=AGREED).status_code == 204
    assert visitor.post(f"/api/jobs/{job}/consent", json=AGREED).status_code == 400
    state = ended(visitor, job, "done", "failed")
    assert state["phase"] == "done", state
    assert state["outcome"] == "released"
    assert state["curve"][-1][0] == 100
    assert {each["state"] for each in state["steps"]} == {"done"}
    assert leftovers(page) == []
    (consent,) = load_consents(storage_root(), Bot.parse("alice"))
    assert (consent.handle, consent.given_by, consent.file) == ("alice", "Alice A.", "posts.csv")
    assert visitor.get("/bots/alice").text.count("Alice A.") == 1
