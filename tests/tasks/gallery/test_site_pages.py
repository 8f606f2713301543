"""Pages of the site as HTML, JSON and Atom, and the folder that holds them; no browser needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given

from tasks.core.errors import BadInput
from tasks.core.names import Bot, Handle
from tasks.core.records import Prediction, Profile
from tasks.core.settings import settings
from tasks.gallery.banned_tokens import banned_tokens
from tasks.gallery.entries import Details, Entry, details_of, entries_of, entry_of
from tasks.gallery.pages import SiteLook, Writing, bot_page, feed, index_page
from tasks.operations.site_building import build_site
from tasks.operations.site_places import place_of
from tasks.publishing.releases import publish_locally
from tasks.storage import Storage
from tasks.storage.opt_outs import opt_out
from tests.tasks.gallery.tags import Tags
from tests.tasks.publishing.examples import CHECKPOINT, MODEL, make_contents, names
from tests.tiny import make_tiny_tokenizer

ATOM = "{http://www.w3.org/2005/Atom}"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _without_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models here are no models: test_writing.py has real ones."""
    monkeypatch.setenv("HUGGINGTWEETS_SITE_WRITING", "false")
    settings.cache_clear()


@pytest.fixture
def storage(storage: Storage) -> Storage:
    with storage.new_folder(CHECKPOINT) as folder:
        for name, data in (*MODEL.items(), ("manifest.json", b"{}")):
            (folder / name).write_bytes(data)
    return storage


def released(storage: Storage, name: str, *, public: bool = True, days: int = 0) -> None:
    bot, contents = Bot.parse(name), make_contents()
    counts = contents.corpus.counts["alice"]
    corpus = replace(contents.corpus, bot=bot, counts={str(h): counts for h in bot.handles})
    contents = replace(
        contents,
        bot=bot,
        corpus=corpus,
        profiles=tuple(Profile(handle, handle.written.title()) for handle in bot.handles),
        created_at=contents.created_at + timedelta(days=days),
        visibility="public" if public else "private",
        languages=("en",),
    )
    publish_locally(storage, CHECKPOINT, contents, fonts=())


def build(storage: Storage, folder: Path, *, private: bool = False) -> object:
    return build_site(storage, place_of(str(folder), private=private))


def files_in(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_others_see_public_bots_only_and_nobody_those_that_opted_out(
    storage: Storage, tmp_path: Path
) -> None:
    for name in ("alice", "carol-dave"):
        released(storage, name)
    released(storage, "bob", public=False)
    opt_out(storage, Handle("dave"), NOW)
    assert [entry.bot.name for entry in entries_of(storage, private=False)] == ["alice"]
    assert [entry.bot.name for entry in entries_of(storage, private=True)] == ["alice", "bob"]
    build(storage, tmp_path / "site")
    assert b"bob" not in b"".join(files_in(tmp_path / "site").values())


def test_a_page_for_all_bots_has_the_newest_first_and_loads_pictures_late(storage: Storage) -> None:
    released(storage, "alice")
    released(storage, "bob", days=1)
    page = index_page(list(entries_of(storage, private=False)), SiteLook())
    tags = Tags(page)
    links = [a["href"] for tag, a in tags.found if tag == "a" and a.get("class") == "whole"]
    assert links == ["bots/bob/index.html", "bots/alice/index.html"]
    pictures = [a for tag, a in tags.found if tag == "img" and a.get("class") == "picture"]
    assert {each["loading"] for each in pictures} == {"lazy"}
    assert "3,182" in tags.text
    assert "base 4.10" in tags.text


def test_a_bots_page_says_what_went_in_and_how_to_have_it_removed(storage: Storage) -> None:
    released(storage, "alice")
    entry = entry_of(storage, Bot.parse("alice"))
    assert entry is not None
    page = Tags(
        bot_page(entry, details_of(storage, entry), SiteLook(contact="me@example.org"), None)
    ).text
    for shown in (
        "721",
        "dropped: retweet",
        "20260102-01234567",
        "me@example.org",
        "3.20",
        "forget",
    ):
        assert shown in page


@given(names)
def test_no_name_or_post_of_an_account_becomes_markup(text: str) -> None:
    entry = _entry(text)
    expected = Tags(bot_page(_entry("plain"), Details(), SiteLook(), None)).found
    found = Tags(bot_page(entry, Details(), SiteLook(), None)).found
    assert [tag for tag, _ in found] == [tag for tag, _ in expected]
    ET.fromstring(feed([entry], SiteLook()))  # noqa: S314 - of our own template
    index_page([entry], SiteLook())


def _entry(text: str) -> Entry:
    """An entry whose names and posts are this text, made plain as when they are read."""
    from tasks.gallery.entries import Account
    from tasks.publishing.escaping import plain

    shown = plain(text, 60) or "x"
    account = Account("alice", shown + "!", 10, 8, {"retweet": 2})
    return Entry(
        Bot.parse("alice"), "@alice", (account,), "20260102-01234567", NOW, "gpt2", "mit", 4.1, 3.2,
        0.0, 100, (("I like", shown),), ((1.0, 4.0, 3.5), (2.0, 3.5, 3.2)), ("en",), {}, None, None,
        True, False,
    )  # fmt: skip


def test_the_feed_and_the_json_list_the_bots(storage: Storage, tmp_path: Path) -> None:
    for days, name in enumerate(("alice", "bob")):
        released(storage, name, days=days)
    build(storage, tmp_path / "site")
    found = json.loads((tmp_path / "site" / "bots.json").read_text())
    assert [each["bot"] for each in found] == ["bob", "alice"]
    assert all((tmp_path / "site" / each["page"]).is_file() for each in found)
    root = ET.fromstring((tmp_path / "site" / "feed.xml").read_text())  # noqa: S314
    entries = root.findall(f"{ATOM}entry")
    assert [each.findtext(f"{ATOM}title") for each in entries] == [
        "@bob, release 20260102-01234567", "@alice, release 20260102-01234567",
    ]  # fmt: skip
    assert len({each.findtext(f"{ATOM}id") for each in entries}) == 2
    assert root.findtext(f"{ATOM}updated") == "2026-01-03T03:04:00+00:00"


def test_every_link_of_a_site_leads_to_one_of_its_files(storage: Storage, tmp_path: Path) -> None:
    released(storage, "alice")
    build(storage, site := tmp_path / "site")
    for page in site.rglob("*.html"):
        for _, attributes in Tags(page.read_text()).found:
            target = attributes.get("href") or attributes.get("src")
            if target and not target.startswith(("#", "https://")):
                assert (page.parent / target).is_file(), f"{page}: {target}"


def test_only_what_changed_is_written_and_what_is_gone_is_removed(
    storage: Storage, tmp_path: Path
) -> None:
    released(storage, "alice")
    released(storage, "bob")
    first = build(storage, site := tmp_path / "site")
    assert first.written == first.files
    (site / "robots.txt").write_text("ours is not all")
    assert build(storage, site).written == 0
    storage.delete("releases/bob")
    third = build(storage, site)
    assert not (site / "bots" / "bob").exists()
    assert third.removed == first.files - third.files > 0
    assert {"index.html", "bots.json", "feed.xml"} <= files_in(site).keys()
    assert third.written == 3
    assert (site / "robots.txt").exists()


def test_what_an_interrupted_build_left_is_removed_by_the_next(
    storage: Storage, tmp_path: Path
) -> None:
    released(storage, "alice")
    build(storage, site := tmp_path / "site")
    released(storage, "bob")
    (site / "index.html").unlink()
    (site / "index.html").mkdir()  # what cannot be replaced stands for a kill
    with pytest.raises(Exception, match="site"):
        build(storage, site)
    assert (site / "bots" / "bob").exists()
    (site / "index.html").rmdir()
    storage.delete("releases/bob")
    build(storage, site)
    assert not (site / "bots" / "bob").exists()


def test_weights_and_pictures_are_shared_with_the_releases(
    storage: Storage, tmp_path: Path
) -> None:
    released(storage, "alice")
    build(storage, tmp_path / "site")
    picture = tmp_path / "site" / "bots" / "alice" / "predictions.png"
    card = tmp_path / "site" / "bots" / "alice" / "README.md"
    assert picture.stat().st_nlink > 1
    assert card.stat().st_nlink == 1
    assert picture.stat().st_mode & 0o777 == 0o644


def test_a_site_with_private_bots_is_for_its_user_only(storage: Storage, tmp_path: Path) -> None:
    released(storage, "bob", public=False)
    build(storage, site := tmp_path / "site", private=True)
    assert (site / "bots" / "bob" / "index.html").stat().st_mode & 0o777 == 0o600
    assert site.stat().st_mode & 0o777 == 0o700
    assert "private" in (site / "index.html").read_text()


@pytest.mark.parametrize("target", ["", "s3://bucket/site", "hf://spaces/nothing", "full", "file"])
def test_a_place_that_is_no_site_is_refused_before_anything_is_written(
    storage: Storage, tmp_path: Path, target: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("")
    released(storage, "alice")
    with pytest.raises(BadInput):
        build_site(
            storage, place_of(str(tmp_path / target) if target in ("full", "file") else target)
        )
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]


def test_a_damaged_release_is_left_out_and_named(
    storage: Storage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    released(storage, "alice")
    released(storage, "bob")
    storage.write("releases/alice/20260102-01234567/metrics.json", b"{}")
    build(storage, tmp_path / "site")
    assert "@alice: not shown" in caplog.text
    assert (tmp_path / "site" / "bots" / "bob").exists()
    assert not (tmp_path / "site" / "bots" / "alice").exists()


def test_a_site_is_built_from_an_object_store(bucket: Storage, tmp_path: Path) -> None:
    with bucket.new_folder(CHECKPOINT) as folder:
        for name, data in (*MODEL.items(), ("manifest.json", b"{}")):
            (folder / name).write_bytes(data)
    released(bucket, "alice")
    build(bucket, tmp_path / "site")
    assert (tmp_path / "site" / "bots" / "alice" / "predictions.png").stat().st_size > 1000


def test_what_an_older_version_released_is_shown_without_what_it_did_not_record(
    storage: Storage,
) -> None:
    released(storage, "alice")
    key = "releases/alice/20260102-01234567/metrics.json"
    metrics = storage.read_json(key)
    for name in ("names", "languages", "sources", "first_post", "last_post"):
        del metrics[name]
    storage.write_json(key, metrics)
    entry = entry_of(storage, Bot.parse("alice"))
    assert entry is not None
    assert entry.languages == ()
    assert entry.accounts[0].name == "alice"


def test_posts_that_repeat_a_training_post_are_not_shown(storage: Storage) -> None:
    contents = make_contents()
    predictions = (Prediction("I like", "I like secrets", True), Prediction("", "fresh", False))
    evaluation = replace(contents.evaluation, predictions=predictions)
    publish_locally(storage, CHECKPOINT, replace(contents, evaluation=evaluation), fonts=())
    entry = entry_of(storage, Bot.parse("alice"))
    assert entry is not None
    assert [text for _, text in entry.posts] == ["fresh"]


def test_tokens_with_at_signs_are_banned() -> None:
    tokenizer = make_tiny_tokenizer()
    saved = json.loads(tokenizer.backend_tokenizer.to_str())
    added = {"id": 400, "content": "<@x>", "special": False}
    saved["added_tokens"].append(added)
    banned = banned_tokens(json.dumps(saved).encode())
    vocabulary = tokenizer.get_vocab()
    assert {vocabulary["@"], 400, vocabulary["À"]} <= set(banned)
    assert not {vocabulary["a"], vocabulary["ł"]} & set(banned)
    with pytest.raises(ValueError, match="tokenizer"):
        banned_tokens(b"[]")


def test_the_policy_of_a_page_lets_it_ask_for_nothing_elsewhere() -> None:
    assert "http" not in SiteLook().policy
    assert "unsafe-inline" not in SiteLook().policy
    assert (
        "connect-src 'self' blob: https://hub.example"
        in SiteLook(model_origins=("https://hub.example",)).policy
    )


def test_the_command_says_what_it_built(
    storage: Storage, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    released(storage, "alice")
    code, out, err = command("site", tmp_path / "site")
    assert code == 0, err
    assert "1 bot, " in out
    assert "http.server" in err
    assert command("site")[0] == 2
    assert json.loads(command("site", tmp_path / "site", "--json")[1])[0]["written"] == 0


def test_writing_is_offered_where_there_is_a_gguf(storage: Storage) -> None:
    released(storage, "alice")
    entry = entry_of(storage, Bot.parse("alice"))
    assert entry is not None
    without = bot_page(entry, Details(), SiteLook(), None)
    writes = bot_page(
        entry, Details(), SiteLook(), Writing("alice-q8_0.gguf", 145_000_000, (31, 99))
    )
    assert "writer.js" not in without
    assert 'data-banned="31 99"' in writes
    assert "145 MB" in writes
