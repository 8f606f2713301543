from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
import torch

from tasks.core.names import Bot, Handle
from tasks.core.records import Corpus, Progress, Spec
from tasks.curation.corpus import build_corpus
from tasks.curation.corpus_files import read_corpus, write_corpus
from tasks.storage import Storage
from tasks.training.adapters import merge
from tasks.training.engine import Engine, Trained
from tasks.training.held_out_loss import mean_loss
from tasks.training.resume import Resume
from tasks.waiting import Company, waiting
from tests.sample_posts import sentences
from tests.tasks.curation.lake_tables import lake_table
from tests.tiny import make_tiny_base

FULL = Spec(precision="fp32", learning_rate=3e-3, epochs=1)
ADAPTER = replace(FULL, mode="adapter", adapter_rank=4, learning_rate=2e-2)
TEXTS = sentences(300)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(make_tiny_base(tmp_path_factory.mktemp("base")))


class Batch:
    """Bots that wait, and turns of theirs."""

    def __init__(self, storage: Storage, engine: Engine, stack: ExitStack) -> None:
        self.storage, self.engine, self.stack = storage, engine, stack
        self.told: dict[str, list[Progress]] = {}

    def joins(self, name: str, texts: list[str], spec: Spec = FULL) -> Corpus:
        bot = Bot.parse(name)
        table = {Handle(name): lake_table(texts)}
        curated = build_corpus(bot, table, filter_name="classic", floor=0, warn_below=0)
        corpus = write_corpus(self.storage, curated, bot, "classic")
        self.stack.enter_context(waiting(corpus, self.engine.base, spec))
        return corpus

    def turn(
        self, corpus: Corpus, spec: Spec = FULL, *, at_once: int = 8, resume: Resume | None = None
    ) -> tuple[Trained, float]:
        """What is told of its training, and the loss of what the engine is left with."""
        texts = read_corpus(self.storage, corpus)
        trained, adapter = Company(self.storage, corpus, at_once)(
            self.engine,
            texts.train,
            texts.held_out,
            spec,
            handles=texts.train_handles,
            on_progress=self.told.setdefault(str(corpus.bot), []).append,
            resume=resume,
        )
        if adapter:
            merge(self.engine.model, adapter)
        documents = self.engine.documents(texts.held_out, spec)
        loss = mean_loss(self.engine.model, documents, "fp32")
        self.engine.use("bf16")  # as another bot might
        self.engine.restore(self.engine.flat.base * 1.1)
        return trained, loss


@pytest.fixture
def batch(storage: Storage, engine: Engine) -> Iterator[Batch]:
    with ExitStack() as stack:
        yield Batch(storage, engine, stack)


def together(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if line.endswith("in the same steps")]


@pytest.mark.parametrize("spec", [FULL, ADAPTER])
def test_whose_turn_it_is_takes_along_those_that_wait(
    spec: Spec, batch: Batch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    alice = batch.joins("alice", TEXTS[:90], spec)
    bob = batch.joins("bob", TEXTS[90:210], spec)
    found = [batch.turn(corpus, spec) for corpus in (alice, bob)]
    assert together(caplog) == ["training @alice, @bob in the same steps"]
    for trained, loss in found:
        assert loss == pytest.approx(trained.held_out_loss, rel=1e-4)
    batch.stack.close()
    for (trained, _), corpus in zip(found, (alice, bob), strict=True):
        alone, _ = batch.turn(corpus, spec)
        assert trained.held_out_loss == pytest.approx(alone.held_out_loss, rel=0.005)
        assert trained.tokens == alone.tokens
    assert len(together(caplog)) == 1, "who has left is not taken along"


def test_no_more_are_taken_along_than_are_asked_for(
    batch: Batch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    other = replace(FULL, epochs=2)
    alice = batch.joins("alice", TEXTS[:60])
    batch.joins("odd", TEXTS[60:120], other)
    bob, carol = (batch.joins(name, TEXTS[120:180]) for name in ("bob", "carol"))
    batch.turn(carol, at_once=1)
    assert together(caplog) == []
    for corpus in (alice, bob, carol):
        batch.turn(corpus, at_once=2)
    assert together(caplog) == ["training @alice, @bob in the same steps"]


def test_a_bots_own_progress_is_its_own(batch: Batch) -> None:
    alice, bob = (batch.joins(name, TEXTS[:60]) for name in ("alice", "bob"))
    batch.turn(alice)
    assert len(batch.told["alice"]) > 2
    assert batch.told["alice"][-1].done == batch.told["alice"][-1].total
    assert "bob" not in batch.told
    batch.turn(bob)
    assert [progress.done == progress.total for progress in batch.told["bob"]] == [True]


def test_a_bots_lost_corpus_is_its_own_trouble(
    batch: Batch, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    alice, bob, lost = (
        batch.joins(name, TEXTS[start : start + 60])
        for name, start in (("alice", 0), ("bob", 60), ("lost", 120))
    )
    storage.delete(lost.file.uri)
    for corpus in (alice, bob):
        batch.turn(corpus)
    assert "not trained along: @lost: the corpus" in caplog.text
    assert together(caplog) == ["training @alice, @bob in the same steps"]


def test_trouble_with_several_is_met_by_each_alone(
    batch: Batch, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    corpora = [batch.joins(name, TEXTS[:60]) for name in ("alice", "bob", "carol")]

    def trouble(_module: object, inputs: tuple[torch.Tensor]) -> None:
        if torch.is_grad_enabled() and len(inputs[0]) == 3:
            raise RuntimeError("made in a test")

    hook = engine.model.get_input_embeddings().register_forward_pre_hook(trouble)
    found = [batch.turn(corpus) for corpus in corpora]
    hook.remove()
    assert "@alice, @bob, @carol are trained one by one instead: made in a test" in caplog.text
    assert len(together(caplog)) == 1
    for trained, loss in found:
        assert loss == pytest.approx(trained.held_out_loss, rel=1e-4)


def test_what_was_cut_off_is_gone_on_with_alone(
    batch: Batch, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    alice, bob = (batch.joins(name, TEXTS[:60]) for name in ("alice", "bob"))
    resume = Resume(storage, "resume/alice/f", "f")
    with storage.new_folder(f"{resume.key}/000000001") as folder:
        (folder / "manifest.json").write_text("{}")  # it cannot be read, and is passed over
    batch.turn(alice, resume=resume)
    assert "what was kept as" in caplog.text
    assert together(caplog) == []
    batch.turn(bob, resume=Resume(storage, "resume/bob/f", "f"))
    assert together(caplog) == ["training @bob, @alice in the same steps"]
