"""Bots of this process that wait to be trained, and what takes them along.

A machine trains one bot at a time. Of a batch, others that are ready wait meanwhile; whose turn it
is may be trained in the same steps as some of them. Each then finds its own result when its turn
comes, and saves and measures it as if it had been trained there.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.core.errors import HuggingtweetsError
from tasks.core.records import Base, Corpus, Progress, Spec
from tasks.curation.corpus_files import read_corpus
from tasks.storage import Storage

if TYPE_CHECKING:  # torch is loaded where a bot is trained
    from tasks.training.adapters import Adapter
    from tasks.training.engine import Engine, Report, Trained
    from tasks.training.member import BotTexts
    from tasks.training.resume import Resume
    from tasks.training.together import TrainedBot

log = logging.getLogger("huggingtweets")


@dataclass(eq=False)
class Waiting:
    """A bot that waits.

    found: what came of its training along with another, or None; told: the last of its progress.
    alone: it is to be trained by itself, since with others something went wrong.
    """

    corpus: Corpus
    base: Base
    spec: Spec
    found: TrainedBot | None = None
    told: Progress | None = None
    alone: bool = False


_all: list[Waiting] = []
_guard = threading.Lock()


@contextmanager
def waiting(corpus: Corpus, base: Base, spec: Spec) -> Iterator[None]:
    """Within the block the bot of this corpus may be trained along with another."""
    own = Waiting(corpus, base, spec)
    with _guard:
        _all.append(own)
    try:
        yield
    finally:
        with _guard:
            _all.remove(own)


class Company:
    """Trains the bot of a corpus as `train_bot` does, and up to `at_once` - 1 that wait along."""

    def __init__(self, storage: Storage, corpus: Corpus, at_once: int) -> None:
        self._storage, self._corpus, self._at_once = storage, corpus, at_once

    def __call__(
        self,
        engine: Engine,
        train: Sequence[str],
        held_out: Sequence[str],
        spec: Spec,
        *,
        handles: Sequence[str] | None = None,
        on_progress: Report,
        resume: Resume | None = None,
    ) -> tuple[Trained, Adapter | None]:
        """Train, or take what came of the training along with another. Raises BaseUnavailable."""
        from tasks.training.member import BotTexts
        from tasks.training.together import train_bot

        own = self._own(engine.base, spec)
        # What was cut off is gone on with, which several at once are not.
        unfinished = resume is not None and bool(resume.storage.folders(resume.key))
        if own and own.told and own.found:
            on_progress(own.told)
        elif own and not (own.alone or unfinished):
            texts = BotTexts(str(self._corpus.bot), train, held_out, handles)
            self._train_along(engine, own, texts, on_progress)
        if own and own.found:
            engine.use(spec.precision)
            engine.restore(own.found.weights)
            return own.found.trained, own.found.adapter
        return train_bot(
            engine, train, held_out, spec, handles=handles, on_progress=on_progress, resume=resume
        )

    def _own(self, base: Base, spec: Spec) -> Waiting | None:
        with _guard:
            mine = [each for each in _all if each.corpus == self._corpus]
        return next((each for each in mine if (each.base, each.spec) == (base, spec)), None)

    def _others(self, own: Waiting) -> list[Waiting]:
        with _guard:
            return [
                each
                for each in _all
                if each is not own
                and (each.base, each.spec) == (own.base, own.spec)
                and not (each.found or each.alone)
            ][: self._at_once - 1]

    def _train_along(
        self, engine: Engine, own: Waiting, texts: BotTexts, on_progress: Report
    ) -> None:
        """Train it and some that wait, if there are any; each is told what came of it."""
        from tasks.training.together import train_together

        chosen = {own: texts}
        for other in self._others(own):
            if found := self._texts(other):
                chosen[other] = found
        if len(chosen) == 1:
            return
        names = ", ".join(f"@{bot.name}" for bot in chosen.values())
        log.info("training %s in the same steps", names)
        bots = list(chosen.values())
        tell = _teller({bot.name: each for each, bot in chosen.items()}, own, on_progress)
        try:
            results = train_together(engine, bots, own.spec, at_once=len(bots), on_progress=tell)
        except Exception as error:  # noqa: BLE001 - whosever it is, alone it is that bot's only
            log.warning("%s are trained one by one instead: %s", names, error)
            for each in chosen:
                each.alone = True
            return
        for each, result in zip(chosen, results, strict=True):
            each.found = result

    def _texts(self, other: Waiting) -> BotTexts | None:
        from tasks.training.member import BotTexts

        try:
            texts = read_corpus(self._storage, other.corpus)
        except HuggingtweetsError as error:
            log.warning("not trained along: %s", error)
            other.alone = True
            return None
        return BotTexts(str(other.corpus.bot), texts.train, texts.held_out, texts.train_handles)


def _teller(
    bots: Mapping[str, Waiting], own: Waiting, on_progress: Report
) -> Callable[[str, Progress], None]:
    """Progress of one's own is told at once, that of others when their turn comes."""

    def tell(name: str, progress: Progress) -> None:
        bots[name].told = progress
        if bots[name] is own:
            on_progress(progress)

    return tell
