"""Local releases: whole or not there, `latest` last, and found again without a model."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import fsspec
import pytest
from huggingface_hub import ModelCard
from pyarrow import fs as pafs

from tasks.core.errors import BadInput, DamagedState, OptedOut, ServerTrouble
from tasks.core.names import Bot
from tasks.core.records import Evaluation, FileRef
from tasks.evaluation.gate import judge
from tasks.publishing.checkpoint_files import add_model_files
from tasks.publishing.release_contents import ReleaseContents
from tasks.publishing.release_manifest import version_of
from tasks.publishing.releases import (
    evaluation_of,
    is_public,
    latest_release,
    note_push,
    publish_locally,
    revision_of,
    verify_release,
)
from tasks.storage import Storage
from tasks.storage.drafts import draft_folder
from tasks.storage.opt_outs import opt_out
from tests.tasks.publishing.examples import (
    CHECKPOINT,
    FINGERPRINT,
    MODEL,
    REVISION,
    make_contents,
)

ALICE = Bot.parse("alice")
FOLDER = f"releases/alice/{REVISION}"


@pytest.fixture(params=["local", "object store"])
def anywhere(request, storage) -> Storage:
    """A storage of this machine, and one in memory that has no links and no local paths."""
    if request.param == "local":
        return storage
    memory = fsspec.filesystem("memory", skip_instance_cache=True)
    memory.store.clear()
    return Storage("memory://root", pafs.PyFileSystem(pafs.FSSpecHandler(memory)), "/root")


@pytest.fixture
def checkpoint_anywhere(anywhere: Storage) -> str:
    with anywhere.new_folder(CHECKPOINT) as folder:
        for name, data in MODEL.items():
            (folder / name).write_bytes(data)
        (folder / "manifest.json").write_text("{}")
        (folder / "optimizer.bin").write_bytes(b"not for release")
    return CHECKPOINT


def test_a_release_has_all_files_and_a_manifest_that_names_them(storage, checkpoint, contents):
    release = publish_locally(storage, checkpoint, contents)
    folder = storage.local(release.folder)
    assert release.folder == FOLDER
    files = {path.name for path in folder.iterdir()}
    assert files == {*MODEL, "README.md", "predictions.png", "losses.png", "metrics.json",
                     "manifest.json"}  # fmt: skip
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["fingerprint"] == FINGERPRINT
    assert manifest["base"]["origin"] == "openai-community/gpt2"
    assert manifest["spec"]["epochs"] == 2
    assert "torch" in manifest["versions"]
    for name in files - {"manifest.json"}:
        data = (folder / name).read_bytes()
        assert manifest["files"][name] == {
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    assert "manifest.json" not in manifest["files"]


def test_a_release_does_not_name_folders_of_the_machine(storage, checkpoint, contents):
    release = publish_locally(storage, checkpoint, contents)
    for key in storage.keys(release.folder):
        assert b"/somewhere" not in storage.read(key)
        assert storage.path.encode() not in storage.read(key)


def test_the_metrics_are_json_even_where_a_loss_is_none(storage, checkpoint, contents):
    evaluation = replace(contents.evaluation, base_loss=float("nan"))
    release = publish_locally(storage, checkpoint, replace(contents, evaluation=evaluation))
    metrics = storage.read_json(f"{release.folder}/metrics.json")
    assert metrics["base_loss"] is None
    assert metrics["base_perplexity"] is None
    assert metrics["bot_loss"] == 3.2
    assert metrics["counts"]["alice"] == {
        "downloaded": 3182,
        "kept": 2272,
        "dropped": {"retweet": 721, "short": 189},
    }
    assert len(metrics["predictions"]) == 5
    assert metrics["training"]["history"][0] == {
        "tokens": 1000, "training_loss": 4.0, "held_out_loss": 3.9
    }  # fmt: skip
    assert metrics["gate"] is None


def test_what_was_measured_is_read_again(storage, checkpoint, contents):
    evaluation = replace(
        contents.evaluation,
        samples=100, verbatim=2, repeated=3, released_loss=3.3, compared_loss=3.2,
        compared_posts=20,
    )  # fmt: skip
    gate = judge(evaluation, 0.05, 0.05)
    judged = replace(contents, evaluation=evaluation, gate=gate)
    release = publish_locally(storage, checkpoint, judged)
    assert evaluation_of(storage, release) == evaluation
    key = f"{release.folder}/metrics.json"
    metrics = storage.read_json(key)
    assert metrics["gate"]["passed"] is True
    assert metrics["gate"]["figures"] == {
        "better_than_base": pytest.approx(0.9),
        "worse_than_released": pytest.approx(-0.1),
        "repeated_share": 0.03,
    }
    older = {name: metrics[name] for name in ("base_loss", "bot_loss", "held_out_tokens")}
    storage.write_json(key, {**older, "predictions": []})
    assert evaluation_of(storage, release) == Evaluation(4.1, 3.2, 5000, ())
    storage.write_json(key, {**older, "base_loss": None, "predictions": []})
    read = evaluation_of(storage, release)
    assert read is not None
    assert math.isnan(read.base_loss), "JSON has no NaN"
    for content in (b"{", b"{}"):
        storage.write(key, content)
        with pytest.raises(DamagedState, match=rf"^@alice: .*{key} is damaged .*retrain the bot"):
            evaluation_of(storage, release)
    storage.delete(key)
    assert evaluation_of(storage, release) is None


def test_a_training_without_a_measured_loss_has_no_curve(storage, checkpoint, contents):
    trained = replace(contents.checkpoint, history=())
    release = publish_locally(storage, checkpoint, replace(contents, checkpoint=trained))
    assert not storage.exists(f"{release.folder}/losses.png")
    assert b"losses.png" not in storage.read(f"{release.folder}/README.md")


def adapter_of(storage: Storage, contents: ReleaseContents, config: bytes) -> ReleaseContents:
    """The contents of a bot that was trained as an adapter, whose files are put in the storage."""
    folder = "checkpoints/alice/adapter"
    kept = {name: data for name, data in MODEL.items() if name != "model.safetensors"}
    files = {**kept, "adapter_model.safetensors": b"small", "adapter_config.json": config}
    for name, data in files.items():
        storage.write(f"{folder}/{name}", data)
    weights = FileRef(f"{folder}/adapter_model.safetensors", hashlib.sha256(b"small").hexdigest())
    return replace(contents, checkpoint=replace(contents.checkpoint, uri=folder, weights=weights))


def test_an_adapter_is_published_without_its_base(storage, contents):
    config = b'{"base_model_name_or_path": "/somewhere", "r": 16}'
    adapted = adapter_of(storage, contents, config)
    release = publish_locally(storage, adapted.checkpoint.uri, adapted)
    names = {key.rpartition("/")[2] for key in storage.keys(release.folder)}
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json"} <= names
    assert not {"model.safetensors", "config.json"} & names
    assert storage.read_json(f"{release.folder}/adapter_config.json") == {
        "base_model_name_or_path": "openai-community/gpt2",
        "r": 16,
    }
    assert verify_release(storage, release, digests=True)
    card = ModelCard(storage.read(f"{release.folder}/README.md").decode())
    assert card.data.library_name == "peft"
    assert card.data.base_model_relation == "adapter"
    assert "install `peft` too" in card.text


@pytest.mark.parametrize("config", [b"{", b"[]"])
def test_a_damaged_adapter_is_not_released(storage, contents, config):
    adapted = adapter_of(storage, contents, config)
    with pytest.raises(BadInput, match=r"adapter_config\.json is damaged"):
        publish_locally(storage, adapted.checkpoint.uri, adapted)
    storage.delete(f"{adapted.checkpoint.uri}/adapter_config.json")
    with pytest.raises(BadInput, match=r"the checkpoint has no adapter_config\.json"):
        publish_locally(storage, adapted.checkpoint.uri, adapted)
    assert latest_release(storage, ALICE) is None


def test_latest_finds_the_release_again(anywhere, checkpoint_anywhere, contents):
    assert latest_release(anywhere, ALICE) is None
    release = publish_locally(anywhere, checkpoint_anywhere, contents, fonts=())
    assert latest_release(anywhere, ALICE) == release
    assert verify_release(anywhere, release, digests=True)
    assert "optimizer.bin" not in str(anywhere.keys(release.folder))


def test_latest_is_a_relative_link(storage, checkpoint, contents):
    publish_locally(storage, checkpoint, contents)
    assert storage.local("releases/alice/latest").readlink() == Path(REVISION)
    assert (storage.local("releases/alice/latest") / "manifest.json").is_file()


def test_a_copy_whose_links_were_followed_has_the_same_releases(storage, checkpoint, contents):
    publish_locally(storage, checkpoint, replace(contents, revision="20260101-01234567"))
    release = publish_locally(storage, checkpoint, contents)
    link = storage.local("releases/alice/latest")
    copied = link.resolve()
    link.unlink()
    shutil.copytree(copied, link)
    assert latest_release(storage, ALICE) == release
    newer = publish_locally(storage, checkpoint, replace(contents, revision="20260301-01234567"))
    assert latest_release(storage, ALICE) == newer
    assert link.is_symlink()


def test_an_object_stores_latest_is_read_on_a_disk(storage, checkpoint, contents):
    release = publish_locally(storage, checkpoint, contents)
    link = storage.local("releases/alice/latest")
    link.unlink()
    link.write_text(REVISION)
    assert latest_release(storage, ALICE) == release
    newer = publish_locally(storage, checkpoint, replace(contents, revision="20260301-01234567"))
    assert latest_release(storage, ALICE) == newer


def test_older_revisions_are_pruned_but_never_the_latest(anywhere, checkpoint_anywhere, contents):
    revisions = [f"2026010{day}-01234567" for day in (5, 1, 2, 3, 4)]
    for revision in revisions:
        publish_locally(
            anywhere, checkpoint_anywhere, replace(contents, revision=revision), fonts=(), keep=2
        )
    left = {key.rpartition("/")[2] for key in anywhere.folders("releases/alice")} - {"latest"}
    assert left == {"20260105-01234567", "20260104-01234567"}
    assert latest_release(anywhere, ALICE).revision == "20260104-01234567"


def test_of_one_day_the_newest_are_kept(storage, checkpoint, contents):
    names = ("20260101-ffffffff", "20260101-00000000", "20260101-77777777")
    for hour, revision in enumerate(names):
        made_at = datetime(2026, 1, 1, hour, tzinfo=UTC)
        release = replace(contents, revision=revision, created_at=made_at)
        publish_locally(storage, checkpoint, release, keep=2)
    left = {key.rpartition("/")[2] for key in storage.folders("releases/alice")} - {"latest"}
    assert left == {"20260101-00000000", "20260101-77777777"}


class Killed(Storage):
    """A storage whose process dies after it has removed one thing, the manifest."""

    def delete(self, key: str) -> None:
        super().delete(key)
        raise KeyboardInterrupt


def test_a_removal_that_was_interrupted_is_finished(storage, checkpoint, contents):
    revisions = [f"2026010{day}-01234567" for day in (1, 2, 3, 4)]
    for revision in revisions[:2]:
        publish_locally(storage, checkpoint, replace(contents, revision=revision))
    third = replace(contents, revision=revisions[2])
    with pytest.raises(KeyboardInterrupt):
        publish_locally(
            Killed(storage.url, storage.filesystem, storage.path), checkpoint, third, keep=1
        )
    assert latest_release(storage, ALICE).revision == revisions[2]
    half = [key.rpartition("/")[2] for key in storage.keys(f"releases/alice/{revisions[0]}")]
    assert "manifest.json" not in half, "what is left is no release"
    assert "config.json" in half

    publish_locally(storage, checkpoint, replace(contents, revision=revisions[3]), keep=2)
    left = {key.rpartition("/")[2] for key in storage.folders("releases/alice")} - {"latest"}
    assert left == set(revisions[2:])


def test_another_release_of_today_that_is_not_whole_yet_is_left_alone(
    storage, checkpoint, contents
):
    storage.write("releases/alice/20260102-99999999/config.json", b"{}")
    storage.write("releases/alice/20260101-99999999/config.json", b"{}")
    storage.write("releases/alice/notes/a.txt", b"mine")
    publish_locally(storage, checkpoint, contents, keep=1)
    assert storage.exists("releases/alice/20260102-99999999")
    assert not storage.exists("releases/alice/20260101-99999999")
    assert storage.exists("releases/alice/notes/a.txt")


def test_keeping_one_keeps_the_latest(storage, checkpoint, contents):
    for day in (1, 2):
        publish_locally(
            storage, checkpoint, replace(contents, revision=f"2026010{day}-01234567"), keep=1
        )
    assert latest_release(storage, ALICE).revision == "20260102-01234567"
    assert not storage.exists("releases/alice/20260101-01234567")


def test_the_same_revision_again_replaces_it(storage, checkpoint, contents):
    publish_locally(storage, checkpoint, contents)
    renamed = replace(contents.profiles[0], display_name="New name")
    release = publish_locally(storage, checkpoint, replace(contents, profiles=(renamed,)))
    assert b"New name" in storage.read(f"{FOLDER}/README.md")
    assert verify_release(storage, release, digests=True)


@pytest.mark.parametrize("name", list(MODEL))
def test_a_checkpoint_with_a_file_missing_gives_no_release(storage, checkpoint, contents, name):
    storage.delete(f"{checkpoint}/{name}")
    with pytest.raises(BadInput, match=f"alice: the checkpoint has no {name}"):
        publish_locally(storage, checkpoint, contents)
    assert latest_release(storage, ALICE) is None
    assert list(storage.local("releases/alice").iterdir()) == []


def test_changed_weights_are_not_released(storage, checkpoint, contents):
    storage.write(f"{checkpoint}/model.safetensors", b"other weights")
    with pytest.raises(BadInput, match="weights have changed"):
        publish_locally(storage, checkpoint, contents)


def test_a_failure_leaves_the_older_release_as_the_latest(storage, checkpoint, contents):
    release = publish_locally(storage, checkpoint, contents)
    storage.delete(f"{checkpoint}/config.json")
    with pytest.raises(BadInput):
        publish_locally(storage, checkpoint, replace(contents, revision="20260109-01234567"))
    assert latest_release(storage, ALICE) == release


def test_a_damaged_release_is_found_out(storage, checkpoint, contents):
    release = publish_locally(storage, checkpoint, contents)
    config = f"{FOLDER}/config.json"
    whole = storage.read(config)
    storage.write(config, whole[::-1])
    assert verify_release(storage, release)
    assert not verify_release(storage, release, digests=True)
    storage.write(config, whole[:-1])
    assert not verify_release(storage, release)
    storage.delete(config)
    assert not verify_release(storage, release)
    storage.write(config, whole)
    assert not verify_release(storage, replace(release, fingerprint="f" * 64))
    assert verify_release(storage, release, digests=True)


@pytest.mark.parametrize("damage", [b"{", b"[]", b"{}", b'{"files": {}, "bot": "bob"}'])
def test_a_damaged_manifest_is_no_release(storage, checkpoint, contents, damage):
    release = publish_locally(storage, checkpoint, contents)
    storage.write(f"{FOLDER}/manifest.json", damage)
    assert latest_release(storage, ALICE) is None
    assert not verify_release(storage, release)


def test_a_latest_that_points_elsewhere_is_none(storage, checkpoint, contents):
    publish_locally(storage, checkpoint, contents)
    link = storage.local("releases/alice/latest")
    for target in ("../../etc", "20990101-01234567"):
        link.unlink()
        link.symlink_to(target)
        assert latest_release(storage, ALICE) is None


def test_a_push_is_remembered_for_its_revision(storage, checkpoint, contents):
    release = publish_locally(storage, checkpoint, contents)
    note_push(storage, release, "https://hub.example/me/alice", private=True)
    assert latest_release(storage, ALICE).hub == "https://hub.example/me/alice"
    assert storage.read_json("releases/alice/hub.json") == {
        "revision": release.revision,
        "url": "https://hub.example/me/alice",
        "private": True,
        "files": [],
    }
    publish_locally(storage, checkpoint, replace(contents, revision="20260109-01234567"))
    assert latest_release(storage, ALICE).hub is None


@pytest.mark.parametrize(
    ("manifest", "pushed_private", "public"),
    [
        ("public", None, True),
        ("private", None, False),
        (None, None, False),  # of an older version
        ("public", True, False),
        ("private", False, True),
        (None, False, True),
    ],
)
def test_a_release_is_shown_to_others_as_on_the_hub_or_else_as_it_was_made(
    storage, checkpoint, contents, manifest, pushed_private, public
):
    release = publish_locally(storage, checkpoint, replace(contents, visibility=manifest))
    if manifest is None:
        key = f"{release.folder}/manifest.json"
        saved = storage.read_json(key)
        del saved["visibility"]
        storage.write_json(key, saved)
    if pushed_private is not None:
        note_push(storage, release, "https://hub.example/me/alice", private=pushed_private)
    assert is_public(storage, release) is public


def test_a_damaged_note_of_a_push_is_named_and_counts_as_none(
    storage, checkpoint, contents, caplog
):
    publish_locally(storage, checkpoint, contents)
    storage.write("releases/alice/hub.json", b"{")
    release = latest_release(storage, ALICE)
    assert release is not None
    assert release.hub is None
    assert f"@alice: {storage.local('releases/alice/hub.json')} is damaged" in caplog.text


def test_the_revision_is_the_utc_date_and_the_fingerprints_start():
    late = datetime(2026, 1, 1, 23, 30, tzinfo=timezone(-timedelta(hours=2)))
    assert revision_of(late, FINGERPRINT) == "20260102-01234567"
    assert revision_of(datetime(2026, 1, 2, tzinfo=UTC), FINGERPRINT) == "20260102-01234567"


def test_the_look_for_a_release_loads_nothing_heavy():
    script = (
        "import sys, tasks.publishing.releases, tasks.publishing.hub_push\n"
        "import tasks.tracking.bot_tracking\n"
        "heavy = {'torch', 'transformers', 'huggingface_hub', 'wandb', 'pytakumi', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_a_checkpoint_and_its_releases_share_their_weights(storage, checkpoint, contents):
    releases = [
        publish_locally(storage, checkpoint, replace(contents, revision=f"2026010{day}-01234567"))
        for day in (1, 2)
    ]
    folders = [storage.local(each.folder) for each in releases]
    weights = [folder / "model.safetensors" for folder in (storage.local(checkpoint), *folders)]
    assert len({path.stat().st_ino for path in weights}) == 1
    assert (folders[0] / "config.json").stat().st_nlink == 1, "small files are edited by hand"
    storage.delete(checkpoint)
    assert verify_release(storage, releases[1], digests=True)


def test_weights_on_another_file_system_are_copied(tmp_path, contents):
    elsewhere = Path("/dev/shm")  # noqa: S108  (another file system than the tests' own)
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system here")
    with draft_folder(elsewhere, "huggingtweets-test") as source:
        for name, data in MODEL.items():
            (source / name).write_bytes(data)
        add_model_files(source, tmp_path, contents)
    assert (tmp_path / "model.safetensors").read_bytes() == MODEL["model.safetensors"]


def test_a_revision_that_is_published_again_is_there_at_every_moment(storage, checkpoint, contents):
    publish_locally(storage, checkpoint, contents, fonts=())
    missed, over = [], threading.Event()

    def watch() -> None:
        while not over.is_set():
            if latest_release(storage, ALICE) is None:
                missed.append(1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(20):
        publish_locally(storage, checkpoint, contents, fonts=())
    over.set()
    watcher.join()
    assert missed == []


@dataclass(frozen=True)
class Dying(Storage):
    """A storage whose process dies before it changes something for so-manieth time."""

    steps: list[int] = field(default_factory=list)

    def _step(self) -> None:
        self.steps[0] -= 1
        if self.steps[0] < 0:
            raise KeyboardInterrupt

    def write(self, key: str, data: bytes) -> str:
        self._step()
        return super().write(key, data)

    def delete(self, key: str) -> None:
        self._step()
        super().delete(key)

    def install_file(self, draft: Path, key: str) -> None:
        self._step()
        super().install_file(draft, key)


@pytest.mark.parametrize("anywhere", ["object store"], indirect=True)
def test_wherever_publishing_dies_the_latest_release_is_whole(
    anywhere, checkpoint_anywhere, contents
):
    revisions = ("20260101-01234567", "20260101-01234567", "20260102-01234567")
    publish_locally(anywhere, checkpoint_anywhere, contents, fonts=())
    for steps in range(40):
        dying = Dying(anywhere.url, anywhere.filesystem, anywhere.path, [steps])
        with suppress(KeyboardInterrupt):
            for hour, revision in enumerate(revisions):
                made_at = datetime(2026, 1, 3, hour, steps, tzinfo=UTC)
                release = replace(contents, revision=revision, created_at=made_at)
                publish_locally(dying, checkpoint_anywhere, release, fonts=(), keep=1)
        found = latest_release(anywhere, ALICE)
        assert found is not None, f"gone after {steps} steps"
        assert verify_release(anywhere, found, digests=True), f"half after {steps} steps"
    publish_locally(anywhere, checkpoint_anywhere, days(contents, 9), fonts=(), keep=1)
    left = {key.rpartition("/")[2] for key in anywhere.folders("releases/alice")} - {"latest"}
    assert left == {"20260109-01234567"}


def test_killed_at_random_moments_the_latest_release_is_whole(tmp_path):
    command = [sys.executable, "-m", "tests.tasks.publishing.killed_publisher", tmp_path, "12"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


class Overtaken(Storage):
    """A storage in which another process publishes, once, while this one does."""

    def __init__(self, storage: Storage, rival: ReleaseContents) -> None:
        super().__init__(storage.url, storage.filesystem, storage.path)
        object.__setattr__(self, "rivals", [rival])

    def publish_rival(self) -> None:
        plain = Storage(self.url, self.filesystem, self.path)
        while self.rivals:
            publish_locally(plain, CHECKPOINT, self.rivals.pop(), fonts=(), keep=1)


class OvertakenInPruning(Overtaken):
    def folders(self, folder: str) -> list[str]:
        self.publish_rival()
        return super().folders(folder)


class OvertakenBeforeLatest(Overtaken):
    @contextmanager
    def new_folder(self, key: str) -> Iterator[Path]:
        with super().new_folder(key) as draft:
            yield draft
        self.publish_rival()


def days(contents: ReleaseContents, day: int) -> ReleaseContents:
    made_at = datetime(2026, 1, day, tzinfo=UTC)
    return replace(contents, revision=f"2026010{day}-01234567", created_at=made_at)


def test_what_another_publisher_made_the_latest_is_not_pruned(
    anywhere, checkpoint_anywhere, contents
):
    overtaken = OvertakenInPruning(anywhere, days(contents, 2))
    publish_locally(overtaken, checkpoint_anywhere, days(contents, 1), fonts=(), keep=1)
    assert latest_release(anywhere, ALICE).revision == "20260102-01234567"


def test_what_another_publisher_is_about_to_make_the_latest_is_not_pruned(
    storage, checkpoint, contents
):
    publish_locally(storage, checkpoint, days(contents, 3), fonts=())
    link = storage.local("releases/alice/latest")
    link.unlink()
    publish_locally(storage, checkpoint, days(contents, 2), fonts=(), keep=1)
    assert storage.exists("releases/alice/20260103-01234567/manifest.json")


def test_a_release_that_another_publisher_has_pruned_is_reported(
    anywhere, checkpoint_anywhere, contents
):
    overtaken = OvertakenBeforeLatest(anywhere, days(contents, 2))
    with pytest.raises(ServerTrouble, match="@alice: another process published"):
        publish_locally(overtaken, checkpoint_anywhere, days(contents, 1), fonts=())
    publish_locally(anywhere, checkpoint_anywhere, days(contents, 3), fonts=())
    assert verify_release(anywhere, latest_release(anywhere, ALICE), digests=True)


class OptsOut(Storage):
    """A storage in which the owner opts out, and all is removed, while a release is written."""

    @contextmanager
    def new_folder(self, key: str) -> Iterator[Path]:
        with super().new_folder(key) as draft:
            yield draft
            opt_out(self, ALICE.handles[0], datetime(2026, 1, 2, tzinfo=UTC))
            self.delete("releases/alice")


def test_what_is_removed_while_it_is_published_does_not_come_back(
    anywhere, checkpoint_anywhere, contents
):
    removed = OptsOut(anywhere.url, anywhere.filesystem, anywhere.path)
    with pytest.raises(OptedOut):
        publish_locally(removed, checkpoint_anywhere, contents, fonts=())
    assert anywhere.files("releases") == {}


def test_bots_of_several_handles_have_one_folder(storage, checkpoint):
    contents = make_contents("Alice", "Bob")
    release = publish_locally(storage, checkpoint, contents)
    assert release.folder == f"releases/alice-bob/{REVISION}"


def test_a_package_that_is_not_there_has_no_version():
    assert version_of("no-such-package-of-ours") == "not installed"
    assert version_of("pytest") == pytest.__version__
