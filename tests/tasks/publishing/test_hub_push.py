"""Publishing to the Hub: the real client against a Hub over real HTTP, with faults."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from huggingface_hub.utils import disable_progress_bars
from pydantic import SecretStr

from tasks.core.errors import (
    BadInput,
    HuggingtweetsError,
    NetworkTrouble,
    PermanentError,
    RateLimited,
    ServerTrouble,
)
from tasks.core.records import Release
from tasks.publishing.hub_push import Access, push_release
from tasks.publishing.release_contents import ReleaseContents
from tasks.publishing.releases import latest_release, publish_locally
from tasks.storage import Storage
from tests.fault_tables import FaultTable
from tests.servers.hub import TOKEN, Fault, Hub, running_hub

NAME = "me/alice"


@pytest.fixture(autouse=True, scope="module")
def _no_bars() -> None:
    disable_progress_bars()  # they would stand in the midst of the table


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        yield hub


@pytest.fixture
def release(storage: Storage, checkpoint: str, contents: ReleaseContents) -> Release:
    return publish_locally(storage, checkpoint, replace(contents, namespace="me"))


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


@pytest.mark.parametrize("access", [Access("public"), Access("private", "public")])
def test_public_where_asked(hub, storage, release, access):
    push(storage, release, hub, access=access)
    assert hub.repositories[NAME].visibility == "public"
    assert "settings" not in hub.requests


@pytest.mark.parametrize(
    ("before", "access", "after"),
    [
        ("public", Access(), ("public", False)),
        ("private", Access("public"), ("private", False)),
        ("private", Access("private", "public"), ("public", False)),
        ("public", Access("public", "private"), ("private", False)),
        ("public", Access(gated="manual"), ("public", "manual")),
        ("private", Access("private", "public", "auto"), ("public", "auto")),
    ],
)
def test_a_bots_own_visibility_and_gate_change_its_repository_before_anything_is_sent(
    hub, storage, release, before, access, after
):
    repository = hub.create(NAME, before)
    seen = []
    hub.before_commit = lambda _: seen.append((repository.visibility, repository.gated))
    push(storage, release, hub, access=access)
    assert seen == [after]
    assert (repository.visibility, repository.gated) == after
    hub.requests.clear()
    push(storage, release, hub, access=access)
    assert set(hub.requests) == {"info", "refs"}
    assert_holds_once(hub, storage, release)


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


class Trouble(NamedTuple):
    """What is done to a push, and what comes of it: an error, or None for a release at once."""

    what: str
    step: str
    faults: list[Fault | None]
    error: type[HuggingtweetsError] | None = None


@pytest.fixture(scope="module")
def fault_table() -> Iterator[FaultTable]:
    columns = ("fault", "injected", "the push", "what readers found", "the next push")
    table = FaultTable("Faults of the Hub", columns)
    yield table
    table.show()


def injected(trouble: Trouble) -> str:
    """Where the fault strikes, and what the server does then."""
    (fault, *_) = [each for each in trouble.faults if each]
    does = f"answers {fault.status}" if fault.status else "cuts the connection"
    when = " after it is done" if fault.after else ""
    at = f" at the {len(trouble.faults)}rd" if None in trouble.faults else ""
    more = f", {len(trouble.faults)} times" if len(trouble.faults) > 1 and not at else ""
    return f"{trouble.step}{at}: {does}{when}{more}{' ' + str(fault.headers) * bool(fault.headers)}"


PAUSE = {"Retry-After": "60"}
TROUBLES = [
    Trouble("503 at the first look", "info", [Fault(503)], ServerTrouble),
    Trouble("429 with Retry-After at the creation", "create", [Fault(429, PAUSE)], RateLimited),
    Trouble("reply of the creation lost", "create", [Fault(504, after=True)], ServerTrouble),
    Trouble("503 at the settings", "settings", [Fault(503)], ServerTrouble),
    Trouble("429 page at the card's check", "validate", [Fault(429, body="slow")], ServerTrouble),
    Trouble("500 before the upload", "preupload", [Fault(500)]),
    Trouble("502 at the list of large files", "batch", [Fault(502)]),
    Trouble("500 in an upload", "upload", [Fault(500)]),
    Trouble("reset in the middle of a multipart upload", "upload", [None, None, Fault(0)]),
    Trouble("429 with Retry-After in an upload", "upload", [Fault(429, {"Retry-After": "1"})]),
    Trouble("upload refused at its end", "complete", [Fault(403)], PermanentError),
    Trouble("500 at the commit", "commit", [Fault(500)], ServerTrouble),
    Trouble("429 with Retry-After at the commit", "commit", [Fault(429, PAUSE)], RateLimited),
    Trouble("429 without it at the commit", "commit", [Fault(429)], RateLimited),
    Trouble("412: somebody else was faster", "commit", [Fault(412)], ServerTrouble),
    Trouble("connection cut before the commit", "commit", [Fault(0)], NetworkTrouble),
    Trouble("reply of the commit lost (504)", "commit", [Fault(504, after=True)]),
    Trouble("reply of the commit lost (cut)", "commit", [Fault(0, after=True)]),
    Trouble("500 at the list of tags", "refs", [Fault(500)], ServerTrouble),
    Trouble("502 at the tag", "tag", [Fault(502)], ServerTrouble),
    Trouble("reply of the tag lost", "tag", [Fault(504, after=True)], ServerTrouble),
    pytest.param(
        Trouble("503 at every try of an upload", "upload", [Fault(503)] * 60, ServerTrouble),
        marks=pytest.mark.slow,
    ),
]
OLD = {"README.md": b"old", "pytorch_model.bin": b"old", ".gitattributes": b""}


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.what)
def test_a_fault_ends_in_one_right_release_or_in_none(hub, storage, release, trouble, fault_table):
    if trouble.step != "create":
        hub.create(NAME)
        hub.add_commit(NAME, "old", OLD)
    access = Access(gated="auto") if trouble.step == "settings" else Access()
    hub.faults[trouble.step] = list(trouble.faults)
    came = came_of(storage, release, hub, access)
    seen = holding(hub, storage, release)
    assert seen != "a half"
    assert came is trouble.error
    assert len(hub.faults[trouble.step]) < len(trouble.faults), "the fault was met"
    hub.faults.clear()

    assert came_of(storage, release, hub, access) is None
    assert_holds_once(hub, storage, release)
    pushed = came.__name__ if came else "succeeds"
    fault_table.add(
        trouble.what, injected(trouble), pushed, seen, "the release: one commit, one tag"
    )


def came_of(storage, release, hub, access) -> type[HuggingtweetsError] | None:
    """The kind of error that a push ends with, or None."""
    message = ""
    try:
        push(storage, release, hub, access=access)
    except HuggingtweetsError as error:
        message, kind = str(error), type(error)
    if not message:
        return None
    assert message.startswith(f"{NAME}: ")
    assert "\n" not in message
    return kind


def holding(hub: Hub, storage: Storage, release: Release) -> str:
    """What a reader of the repository finds."""
    repository = hub.repositories.get(NAME)
    files = dict(repository.head.files) if repository else {}
    files.pop(".gitattributes", None)
    if files == local_files(storage, release):
        return "the release, tagged" if repository.tags else "the release"
    old = {name: data for name, data in OLD.items() if name[0] != "."}
    return {str(old): "what was there", "{}": "nothing"}.get(str(files), "a half")


def test_two_publishers_at_once_leave_one_whole_release(
    hub, storage, checkpoint, contents, fault_table
):
    hub.create(NAME)
    releases = [
        publish_locally(storage, checkpoint, replace(contents, namespace="me", revision=revision))
        for revision in ("20260102-01234567", "20260103-01234567")
    ]
    came: list[object] = []
    threads = [
        threading.Thread(
            target=lambda each=each: came.append(came_of(storage, each, hub, Access()))
        )
        for each in releases
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(came) <= {None, ServerTrouble}
    held = [holding(hub, storage, each) for each in releases]
    assert sum(each.startswith("the release") for each in held) == 1
    push(storage, releases[1], hub)
    assert holding(hub, storage, releases[1]) == "the release, tagged"
    ends = " and ".join(sorted(each.__name__ if each else "succeeds" for each in came))
    fault_table.add(
        "two publishers at once", "two pushes of two releases", ends, "one of the two, whole",
        "the release",
    )  # fmt: skip


def test_a_second_publisher_is_not_overwritten(hub, storage, release):
    hub.create(NAME)

    def interfere(hub: Hub) -> None:
        hub.before_commit = lambda _: None
        hub.add_commit(NAME, "somebody else", {"README.md": b"theirs"})

    hub.before_commit = interfere
    with pytest.raises(ServerTrouble, match="another process published"):
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
    with pytest.raises(BadInput, match="is not a valid repository name on the Hub"):
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
    with pytest.raises(ServerTrouble, match="does not hold the release"):
        push(storage, release, hub)
    assert hub.repositories[NAME].tags == {}


def test_no_hub_at_all(storage, release):
    with pytest.raises(NetworkTrouble, match="no answer from the Hub"):
        push_release(
            storage, release, namespace="me", token=SecretStr(TOKEN), endpoint="http://127.0.0.1:9"
        )
