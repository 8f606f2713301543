"""Publishing to the Hub: the real client against a Hub over real HTTP, with faults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from tasks.errors import BadInput, NetworkTrouble, PermanentError, RateLimited, ServerTrouble
from tasks.publishing.context import ReleaseContext
from tasks.publishing.hub import push_release
from tasks.publishing.local import latest_release, publish_locally
from tasks.records import Release
from tasks.storage import Storage
from tests.servers.hub import TOKEN, Fault, Hub, running_hub

NAME = "me/alice"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        yield hub


@pytest.fixture
def release(storage: Storage, checkpoint: str, context: ReleaseContext) -> Release:
    return publish_locally(storage, checkpoint, replace(context, namespace="me"))


def push(storage: Storage, release: Release, hub: Hub, **changes: object) -> str:
    options = {"namespace": "me", "token": SecretStr(TOKEN), "endpoint": hub.url, **changes}
    return push_release(storage, release, **options)


def local_files(storage: Storage, release: Release) -> dict[str, bytes]:
    return {key.rpartition("/")[2]: storage.read(key) for key in storage.keys(release.folder)}


def assert_holds_once(hub: Hub, storage: Storage, release: Release) -> None:
    repository = hub.repositories[NAME]
    held = {name: data for name, data in repository.head.files.items() if name[0] != "."}
    assert held == local_files(storage, release)
    assert [commit.summary for commit in repository.commits].count(
        f"Release {release.revision}"
    ) == 1
    assert repository.tags == {f"v{release.revision}": repository.head.oid}


def test_a_new_repository_is_private_and_holds_the_release_in_one_commit(hub, storage, release):
    url = push(storage, release, hub)
    assert url == f"{hub.url}/{NAME}"
    assert hub.repositories[NAME].visibility == "private"
    assert len(hub.repositories[NAME].commits) == 2
    assert_holds_once(hub, storage, release)
    assert latest_release(storage, release.bot).hub == url


def test_public_where_asked(hub, storage, release):
    push(storage, release, hub, visibility="public")
    assert hub.repositories[NAME].visibility == "public"


def test_nothing_is_committed_where_nothing_changed(hub, storage, release):
    push(storage, release, hub)
    hub.requests.clear()
    push(storage, release, hub)
    assert set(hub.requests) == {"info", "refs"}
    assert_holds_once(hub, storage, release)


def test_stale_files_go_and_the_repository_keeps_its_visibility(hub, storage, release):
    hub.create(NAME, "public")
    hub.add_commit(NAME, "old", {**hub.repositories[NAME].head.files, "pytorch_model.bin": b"old"})
    push(storage, release, hub)
    assert "create" not in hub.requests
    assert hub.repositories[NAME].visibility == "public"
    assert_holds_once(hub, storage, release)


def test_a_tag_of_another_commit_is_moved(hub, storage, release):
    repository = hub.create(NAME)
    repository.tags[f"v{release.revision}"] = repository.head.oid
    push(storage, release, hub)
    assert_holds_once(hub, storage, release)


@pytest.mark.parametrize("status", [0, 504])
def test_a_lost_reply_makes_no_second_commit(hub, storage, release, status):
    hub.faults["commit"] = [Fault(status, after=True)]
    push(storage, release, hub)
    assert hub.requests.count("commit") == 1
    assert_holds_once(hub, storage, release)


@pytest.mark.parametrize(
    ("step", "fault", "expected"),
    [
        ("info", Fault(503), ServerTrouble),
        ("create", Fault(429, {"Retry-After": "60"}), RateLimited),
        ("validate", Fault(429, body="slow down"), ServerTrouble),
        ("commit", Fault(500), ServerTrouble),
        ("commit", Fault(412), ServerTrouble),
        ("commit", Fault(0), NetworkTrouble),
        ("complete", Fault(403), PermanentError),
        ("tag", Fault(502), ServerTrouble),
    ],
)
def test_a_fault_ends_in_no_release_and_the_next_push_in_one(
    hub, storage, release, step, fault, expected
):
    hub.faults[step] = [fault]
    # The client tries reading steps again by itself: they fail until it gives up, or succeed.
    with pytest.raises(expected) as caught:
        push(storage, release, hub)
    assert type(caught.value) is expected
    assert str(caught.value).startswith(f"{NAME}: ")
    hub.faults.clear()
    push(storage, release, hub)
    assert_holds_once(hub, storage, release)


def test_an_upload_that_stumbles_is_taken_up_again(hub, storage, release):
    hub.faults["upload"] = [Fault(500)]
    push(storage, release, hub)
    assert_holds_once(hub, storage, release)


def test_a_second_publisher_is_not_overwritten(hub, storage, release):
    hub.create(NAME)

    def interfere(hub: Hub) -> None:
        hub.before_commit = lambda _: None
        hub.add_commit(NAME, "somebody else", {"README.md": b"theirs"})

    hub.before_commit = interfere
    with pytest.raises(ServerTrouble, match="somebody else published"):
        push(storage, release, hub)
    assert hub.repositories[NAME].head.summary == "somebody else"


def test_what_the_hub_says_about_waiting_is_kept(hub, storage, release):
    for headers in ({"Retry-After": "120"}, {"RateLimit": '"api";r=0;t=120'}):
        hub.faults["create"] = [Fault(429, headers)]
        with pytest.raises(RateLimited) as caught:
            push(storage, release, hub)
        wait = caught.value.next_attempt_at - datetime.now(UTC)
        assert timedelta(seconds=100) < wait <= timedelta(seconds=120)
    hub.faults["create"] = [Fault(429)]
    with pytest.raises(RateLimited) as caught:
        push(storage, release, hub)
    assert caught.value.next_attempt_at is None


def test_a_refused_token_is_permanent_and_in_no_message(hub, storage, release):
    wrong = "hf_wrong_and_never_shown"
    with pytest.raises(PermanentError, match="HUGGINGTWEETS_HUB_TOKEN") as caught:
        push(storage, release, hub, token=SecretStr(wrong))
    assert wrong not in str(caught.value)
    hub.faults["create"] = [Fault(400, body=json.dumps({"error": f"no {TOKEN}\x1b[31m\nhere"}))]
    with pytest.raises(PermanentError, match=r"no \*\*\*.* here") as caught:
        push(storage, release, hub)
    assert TOKEN not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(("code", "status"), [("GatedRepo", 403), ("RepoNotFound", 401)])
def test_a_repository_that_the_token_may_not_see_is_not_created(
    hub, storage, release, code, status
):
    hub.faults["info"] = [Fault(status, {"X-Error-Code": code})]
    with pytest.raises(PermanentError, match="refuses the token"):
        push(storage, release, hub)
    assert "create" not in hub.requests


def test_an_impossible_namespace_is_bad_input(hub, storage, release):
    with pytest.raises(BadInput, match="cannot be a name on the Hub"):
        push(storage, release, hub, namespace="no/such//name")


def test_a_rejected_card_is_permanent(hub, storage, release):
    storage.write(f"{release.folder}/README.md", b"no metadata")
    with pytest.raises(PermanentError, match="Invalid metadata"):
        push(storage, release, hub)


def test_a_hub_that_loses_files_is_found_out(hub, storage, release):
    hub.create(NAME)
    honest = hub.add_commit

    def forgetful(name: str, summary: str, files: dict[str, bytes]) -> object:
        return honest(name, summary, {**files, "config.json": b"damaged"})

    hub.add_commit = forgetful
    with pytest.raises(ServerTrouble, match="does not hold what was sent"):
        push(storage, release, hub)
    assert hub.repositories[NAME].tags == {}


def test_no_hub_at_all(storage, release):
    with pytest.raises(NetworkTrouble, match="no answer from the Hub"):
        push_release(
            storage, release, namespace="me", token=SecretStr(TOKEN), endpoint="http://127.0.0.1:9"
        )
