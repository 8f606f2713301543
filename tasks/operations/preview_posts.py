"""The posts that a person has chosen for the picture of a release, instead of predictions.

releases/<bot>/preview.json   the posts, and of which revision they are
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.core.errors import BadInput
from tasks.core.records import Release
from tasks.curation.corpus_files import read_corpus
from tasks.evaluation.memorisation import find_repeats
from tasks.publishing.escaping import plain
from tasks.registry.outcomes import load_outcome
from tasks.storage import Storage
from tasks.storage.state_file import StateFiles

_LONGEST = 2_000  # characters of a post


@dataclass(frozen=True)
class _Chosen:
    """Posts that a release wrote; its revision."""

    revision: str
    posts: tuple[str, ...]


_CHOSEN = StateFiles("releases", _Chosen, remedy="delete it; the picture then shows predictions")


def chosen_posts(storage: Storage, release: Release) -> tuple[str, ...]:
    """The posts that were chosen for the picture of this release; a damaged file is logged."""
    chosen = _CHOSEN.load_readable(storage, f"{release.bot}/preview")
    return chosen.posts if chosen and chosen.revision == release.revision else ()


def choose_posts(storage: Storage, release: Release, posts: Sequence[str]) -> tuple[str, ...]:
    """Record posts for the picture, those left out that repeat a training post; returns them.

    `refreshing.refresh` draws the picture. Raises BadInput where none is left, or where it is not
    known what the release was trained on; StorageUnusable.
    """
    bot = release.bot
    outcome = load_outcome(storage, bot)
    if outcome is None or outcome.corpus is None:
        raise BadInput(f"@{bot}: what it was trained on is not known: retrain the bot")
    texts = [text for post in posts if (text := plain(post, _LONGEST))]
    repeats = find_repeats(texts, read_corpus(storage, outcome.corpus).train)
    fresh = tuple(text for text, found in zip(texts, repeats, strict=True) if not found)
    if not fresh:
        raise BadInput(f"@{bot}: all of these posts repeat posts that it was trained on")
    _CHOSEN.save(storage, f"{bot}/preview", _Chosen(release.revision, fresh))
    return fresh
