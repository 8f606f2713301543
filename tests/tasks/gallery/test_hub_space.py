"""A site on the Hub: the real client against a Hub over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from huggingface_hub import SpaceCard
from huggingface_hub.utils import disable_progress_bars
from pydantic import SecretStr

from tasks.core.errors import BadInput, HuggingtweetsError
from tasks.core.names import Handle
from tasks.core.settings import settings
from tasks.operations.site_building import Built, build_site
from tasks.operations.site_places import own_space, place_of
from tasks.publishing.hub_push import Access, push_release
from tasks.removal.account_removal import remove_account
from tasks.removal.sites import Sites
from tasks.storage import Storage
from tests.servers.hub import TOKEN, Fault, Hub, running_hub
from tests.tiny_release import export_tiny, release_model

SPACE = "spaces/me/huggingtweets"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    disable_progress_bars()
    return export_tiny(tmp_path_factory.mktemp("model"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub() as hub:
        for name, value in {"ENDPOINT": hub.url, "TOKEN": TOKEN, "NAMESPACE": "me"}.items():
            monkeypatch.setenv(f"HUGGINGTWEETS_HUB_{name}", value)
        settings.cache_clear()
        yield hub


def pushed(storage: Storage, hub: Hub, model: Path, name: str, *, public: bool = True) -> None:
    release = release_model(storage, model, name, gguf="q8_0", namespace="me")
    access = Access("public" if public else "private")
    push_release(
        storage, release, namespace="me", token=SecretStr(TOKEN), access=access, endpoint=hub.url
    )


def build(storage: Storage) -> Built:
    return build_site(storage, own_space())


def held(hub: Hub) -> dict[str, bytes]:
    return hub.repositories[SPACE].head.files


def test_a_static_space_shows_public_bots_whose_weights_come_from_their_repositories(
    storage: Storage, hub: Hub, model: Path
) -> None:
    pushed(storage, hub, model, "alice")
    pushed(storage, hub, model, "bob", public=False)
    built = build(storage)
    files = held(hub)
    assert built.bots == 1
    assert {"index.html", "bots.json", "feed.xml", "bots/alice/index.html"} <= files.keys()
    assert not any("bob" in name or name.endswith(".gguf") for name in files)
    page = files["bots/alice/index.html"].decode()
    assert f'data-model="{hub.url}/me/alice/resolve/main/alice-q8_0.gguf"' in page
    assert f"connect-src &#39;self&#39; blob: {hub.url};" in page
    card = SpaceCard(files["README.md"].decode())
    assert card.data.sdk == "static"
    assert card.data.models == ["me/alice"]
    assert card.data.custom_headers["cross-origin-opener-policy"] == "same-origin"
    assert hub.repositories[SPACE].visibility == "public"


def test_one_commit_holds_what_changed_and_none_is_made_where_nothing_did(
    storage: Storage, hub: Hub, model: Path
) -> None:
    pushed(storage, hub, model, "alice")
    build(storage)
    assert len(hub.repositories[SPACE].commits) == 2
    assert build(storage).written == 0
    assert len(hub.repositories[SPACE].commits) == 2
    pushed(storage, hub, model, "carol")
    built = build(storage)
    assert len(hub.repositories[SPACE].commits) == 3
    assert 0 < built.written < built.files


def test_a_collection_has_the_public_bots_and_leaves_others_items_alone(
    storage: Storage, hub: Hub, model: Path
) -> None:
    pushed(storage, hub, model, "alice")
    pushed(storage, hub, model, "carol")
    build(storage)
    (slug,) = hub.collections
    assert set(hub.collections[slug]) == {"me/alice", "me/carol"}
    hub.collections[slug]["other/model"] = "item-x"
    storage.delete("releases/carol")
    build(storage)
    assert set(hub.collections[slug]) == {"me/alice", "other/model"}


def test_a_forgotten_account_leaves_the_space_the_collection_and_local_sites(
    storage: Storage, hub: Hub, model: Path, tmp_path: Path
) -> None:
    pushed(storage, hub, model, "alice")
    pushed(storage, hub, model, "alice-bob")
    pushed(storage, hub, model, "carol")
    build(storage)
    build_site(storage, place_of(str(tmp_path / "site"), private=True))
    handle = Handle("alice")
    receipt = remove_account(storage, handle, settings(), NOW, [Sites(storage, settings())])
    assert not any("alice" in name for name in held(hub))
    assert b"alice" not in b"".join(held(hub).values())
    (slug,) = hub.collections
    assert set(hub.collections[slug]) == {"me/carol"}
    local = [path for path in (tmp_path / "site").rglob("*") if path.is_file()]
    assert not any("alice" in path.as_posix().removeprefix(str(tmp_path)) for path in local)
    assert not any(b"alice" in path.read_bytes() for path in local if path.suffix != ".wasm")
    assert (tmp_path / "site" / "bots" / "carol" / "carol-q8_0.gguf").exists()
    removed = {each.key for each in receipt.removed}
    assert f"{tmp_path}/site/bots/alice-bob" in removed
    assert "hf://spaces/me/huggingtweets/bots/alice" in removed
    assert receipt.left == ()
    assert not any("alice" in storage.read(key).decode() for key in storage.keys("sites"))


def test_pages_on_another_machine_are_named_in_the_receipt(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    monkeypatch.setenv("HUGGINGTWEETS_SITE_WRITING", "false")
    monkeypatch.setenv("HUGGINGTWEETS_MACHINE", "other")
    settings.cache_clear()
    release_model(storage, model, "alice", visibility="public")
    build_site(storage, place_of(str(tmp_path / "site")))
    monkeypatch.setenv("HUGGINGTWEETS_MACHINE", "here")
    settings.cache_clear()
    sites = Sites(storage, settings())
    (sentence,) = remove_account(storage, Handle("alice"), settings(), NOW, [sites]).left
    assert f"site {tmp_path}/site on other" in sentence
    assert (tmp_path / "site" / "bots" / "alice").exists()
    assert not any("alice" in storage.read(key).decode() for key in storage.keys("sites"))


def test_a_site_that_was_deleted_hinders_no_removal(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    monkeypatch.setenv("HUGGINGTWEETS_SITE_WRITING", "false")
    settings.cache_clear()
    release_model(storage, model, "alice", visibility="public")
    build_site(storage, place_of(str(tmp_path / "site")))
    (tmp_path / "site").rename(tmp_path / "elsewhere")
    sites = Sites(storage, settings())
    assert remove_account(storage, Handle("alice"), settings(), NOW, [sites]).left == ()
    assert storage.keys("sites") == []


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("commit", Fault(503)),
        ("commit", Fault(429, {"Retry-After": "60"})),
        ("info", Fault(500)),
        ("create", Fault(504, after=True)),
        ("add_item", Fault(503)),
    ],
)
def test_a_fault_of_the_hub_is_ours_and_the_next_build_mends_it(
    storage: Storage, hub: Hub, model: Path, step: str, fault: Fault
) -> None:
    pushed(storage, hub, model, "alice")
    hub.faults[step] = [fault]
    with pytest.raises(HuggingtweetsError, match="Hub"):
        build(storage)
    build(storage)
    assert "bots/alice/index.html" in held(hub)
    assert [set(items) for items in hub.collections.values()] == [{"me/alice"}]


def test_without_a_token_nothing_is_begun(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUGGINGTWEETS_HUB_NAMESPACE", "me")
    settings.cache_clear()
    with pytest.raises(BadInput, match="HUB_TOKEN"):
        build(storage)
    assert storage.keys("sites") == []


def test_weights_that_the_hub_has_not_are_not_asked_for(
    storage: Storage, hub: Hub, model: Path
) -> None:
    release = release_model(storage, model, "alice", namespace="me")
    push_release(
        storage, release, namespace="me", token=SecretStr(TOKEN), access=Access("public"),
        endpoint=hub.url,
    )  # fmt: skip
    build(storage)
    assert "data-model" not in held(hub)["bots/alice/index.html"].decode()
