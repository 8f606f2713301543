"""The tasks from a checkpoint to a release, called without Prefect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from tasks.core.errors import BadInput
from tasks.core.names import Bot, Handle
from tasks.core.records import (
    Base,
    Checkpoint,
    Corpus,
    Evaluation,
    Profile,
    Release,
    Spec,
    TrackedRun,
)
from tasks.core.settings import settings
from tasks.curation.corpus import build_corpus
from tasks.curation.corpus_files import write_corpus
from tasks.evaluate import evaluate
from tasks.evaluation.gate import verdict_on
from tasks.ingest.accounts import save_profile
from tasks.publish import publish, push
from tasks.publishing.releases import evaluation_of, latest_release
from tasks.storage import Storage
from tasks.training.checkpoint import train_checkpoint
from tests.sample_posts import sentences
from tests.servers.hub import TOKEN, running_hub
from tests.servers.pictures import running_pictures
from tests.tasks.curation.lake_tables import lake_table
from tests.tasks.publishing.drawn import drawn_png
from tests.tiny import make_tiny_base

BOT, ALICE = Bot.parse("alice"), Handle("alice")
SPEC = Spec(epochs=1, precision="fp32", learning_rate=3e-3)


class Bench:
    """A tiny bot's way, step by step."""

    def __init__(self, storage: Storage, folder: Path) -> None:
        self.storage, self.base = storage, make_tiny_base(folder)

    def corpus(self, texts: list[str], **columns: list[str]) -> Corpus:
        table = {ALICE: lake_table(texts, **columns)}
        curated = build_corpus(BOT, table, filter_name="classic", floor=0, warn_below=0)
        return write_corpus(self.storage, curated, BOT, "classic")

    def checkpoint(self, corpus: Corpus, texts: list[str], name: str) -> Checkpoint:
        uri = f"checkpoints/alice/{name}"
        train, held_out = texts[: corpus.train], texts[corpus.train :]
        with self.storage.new_folder(uri) as folder:
            return train_checkpoint(
                train, held_out, ["alice"] * len(train), self.base, SPEC, folder,
                fingerprint=name * 64, uri=uri, on_progress=lambda _progress: None,
            )  # fmt: skip

    def released(self, corpus: Corpus, checkpoint: Checkpoint, evaluation: Evaluation) -> Release:
        gate = verdict_on(evaluation)
        return publish.fn(
            corpus, self.base, checkpoint, evaluation, gate, SPEC, TrackedRun(), for_hub=False
        )


@pytest.fixture
def bench(storage: Storage, tmp_path: Path) -> Bench:
    return Bench(storage, tmp_path / "base")


def test_a_retrain_is_compared_with_the_release_on_posts_that_are_new_to_it(
    bench: Bench, storage: Storage
) -> None:
    texts = sentences(160)
    before = bench.corpus(texts)
    checkpoint = bench.checkpoint(before, texts, "a")
    first = evaluate.fn(BOT, before, bench.base, checkpoint, SPEC, None)
    assert first.released_loss is None
    release = bench.released(before, checkpoint, first)
    assert latest_release(storage, BOT) == release
    assert evaluation_of(storage, release) == first

    def compared(corpus: Corpus, base: Base = bench.base) -> Evaluation:
        return evaluate.fn(BOT, corpus, base, checkpoint, SPEC, release)

    assert compared(before).released_loss == compared(before).compared_loss, "it is itself"
    assert compared(before).compared_posts == before.held_out
    grown = bench.corpus(sentences(165))
    assert compared(grown).compared_posts == grown.held_out
    # The five newest posts are gone, and older ones held out in their place.
    shrunk = bench.corpus(texts[:-5])
    assert compared(shrunk).released_loss is None
    storage.delete(before.file.uri)
    assert compared(shrunk).compared_posts == shrunk.held_out, "nobody knows any more"
    manifest = storage.read_json(f"{release.folder}/manifest.json")
    del manifest["corpus"]["uri"]
    storage.write_json(f"{release.folder}/manifest.json", manifest)
    assert compared(shrunk).compared_posts == shrunk.held_out
    storage.delete(f"{release.folder}/model.safetensors")
    assert compared(grown).released_loss is None


def test_the_card_names_the_languages_of_the_kept_posts_only(
    bench: Bench, storage: Storage
) -> None:
    texts = sentences(160)
    languages, kinds = ["pt"] * 160 + ["ja"] * 160, ["post"] * 160 + ["retweet"] * 160
    corpus = bench.corpus([*texts, *texts], languages=languages, kinds=kinds)
    evaluation = Evaluation(4.0, 3.0, 1000, (), samples=100)
    release = bench.released(corpus, bench.checkpoint(corpus, texts, "a"), evaluation)
    card = ModelCard(storage.read(f"{release.folder}/README.md").decode())
    assert card.data.to_dict()["language"] == ["pt"]


@pytest.mark.usefixtures("prefect_server")  # which keeps the places for pushes
def test_settings_of_the_release(
    bench: Bench, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = sentences(160)
    corpus = bench.corpus(texts)
    monkeypatch.setenv("HUGGINGTWEETS_KEEP_RELEASES", "1")
    monkeypatch.setenv("HUGGINGTWEETS_AVATARS", "any")
    settings.cache_clear()
    evaluation = Evaluation(4.0, 3.0, 1000, (), samples=100)
    with running_pictures() as pictures:
        pictures.files["/a.png"] = ("image/png", drawn_png(50, 50))
        save_profile(storage, Profile(ALICE, "Alice", f"{pictures.url}/a.png"))
        releases = [
            bench.released(corpus, bench.checkpoint(corpus, texts, name), evaluation)
            for name in ("a", "b")
        ]
        assert pictures.requests == ["/a.png"]
    assert not storage.exists(releases[0].folder)
    assert storage.exists("avatars/alice/avatar.png")
    metrics = storage.read_json(f"{releases[1].folder}/metrics.json")
    assert metrics["gate"]["passed"] is True

    with pytest.raises(BadInput, match="HUGGINGTWEETS_HUB_TOKEN"):
        push.fn(releases[1])
    with running_hub() as hub:
        monkeypatch.setenv("HUGGINGTWEETS_HUB_ENDPOINT", hub.url)
        monkeypatch.setenv("HUGGINGTWEETS_HUB_TOKEN", TOKEN)
        monkeypatch.setenv("HUGGINGTWEETS_HUB_NAMESPACE", "me")
        monkeypatch.setenv("HUGGINGTWEETS_HUB_GATED", "manual")
        settings.cache_clear()
        pushed = push.fn(releases[1], "public")
        assert pushed == replace(releases[1], hub=f"{hub.url}/me/alice")
        repository = hub.repositories["me/alice"]
        assert (repository.visibility, repository.gated) == ("public", "manual")
        push.fn(releases[1], "private", "auto")
        assert (repository.visibility, repository.gated) == ("private", "auto")
        push.fn(releases[1])
        assert (repository.visibility, repository.gated) == ("private", "manual")
