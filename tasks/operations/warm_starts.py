"""When a training may start from a bot's last release (a warm start) instead of the base.

The weights of a release know the posts that it was trained on, and those of its parents. Each of
these was in the corpus of the next when that was trained, so that a release's own corpus names them
all: nothing of what its parents' manifests say is needed, and they may be gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, ValidationError

from tasks.core.records import WEIGHTS, Base, Corpus, FileRef, Gate, Spec, WarmStart
from tasks.core.sizes import counted
from tasks.curation.corpus_files import CorpusPosts
from tasks.operations.checkpoint_keys import fingerprint_of


@dataclass(frozen=True)
class Start:
    """Where a training starts: from a release, or from the base where there is none; and why.

    instead: the release that it may start from as well, where the base's turn has only come again.
    """

    warm_start: WarmStart | None
    reason: str
    instead: WarmStart | None = None

    def after(self, gate: Gate) -> Start | None:
        """Where the next try starts if this gate has held back what was trained; None: nowhere.

        Else a bot whose warm starts are better than a training from the base would train from the
        base at each retrain, and be held back each time.
        """
        if self.warm_start is not None:
            return Start(None, f"the warm start was held back: {gate}")
        if self.instead is not None:
            return Start(self.instead, f"the training from the base was held back: {gate}")
        return None

    def __str__(self) -> str:
        """As `from the base: there is no release yet`."""
        where = f"release {self.warm_start.release}" if self.warm_start else "the base"
        return f"from {where}: {self.reason}"


@dataclass(frozen=True)
class Limits:
    """When it is the turn of a training from the base again.

    share: of new posts, of those that the last training from the base read. days: since it ended.
    """

    share: float
    days: float


class _Corpus(BaseModel):
    uri: str
    sha256: str
    rows: int
    filter: str


class _Base(BaseModel):
    revision: str


class _File(BaseModel):
    sha256: str


class Parent(BaseModel):
    """What a release's manifest says of how it was made; it says more.

    warm_start: None for a training from the base, and in the manifests of older versions, which
    had no other.
    """

    revision: str
    fingerprint: str
    created_at: AwareDatetime
    corpus: _Corpus
    base: _Base
    spec: dict[str, Any]
    files: dict[str, _File]
    warm_start: WarmStart | None = None

    @property
    def file(self) -> FileRef:
        """The corpus that the release was made from."""
        return FileRef(self.corpus.uri, self.corpus.sha256, self.corpus.rows)

    @property
    def base_used_at(self) -> datetime:
        """When the bot was last trained from the base, by what the release says."""
        if self.warm_start is None:
            return self.created_at
        return datetime.fromisoformat(self.warm_start.base_used_at)


def parent_in(manifest: Any) -> Parent | None:
    """What a release's manifest says, or None where it says too little to start from it."""
    try:
        return Parent.model_validate(manifest)
    except ValidationError:
        return None


def made_otherwise(parent: Parent, corpus: Corpus, base: Base, spec: Spec) -> str | None:
    """In what the release was made in another way than a training now is; None if in nothing.

    Its fingerprint holds the handles, the base, the spec and the recipe.
    """
    return next(_differences(parent, corpus, base, spec), None)


def _differences(parent: Parent, corpus: Corpus, base: Base, spec: Spec) -> Iterator[str]:
    release = f"release {parent.revision}"
    if spec.mode != "full":
        yield "adapters always start from it"
    if WEIGHTS not in parent.files:
        yield f"{release} is an adapter"
    if parent.base.revision != base.revision:
        yield f"{release} was made from another base"
    if parent.corpus.filter != corpus.filter:
        yield f"{release} was made with the filter {parent.corpus.filter}"
    if parent.spec != asdict(spec):
        yield f"{release} was trained with other settings"
    then = replace(corpus, file=parent.file)
    if fingerprint_of(then, base, spec, parent.warm_start) != parent.fingerprint:
        yield f"{release} was made by another recipe"


def start_from(
    parent: Parent, folder: str, before: CorpusPosts, now: CorpusPosts, limits: Limits, at: datetime
) -> Start:
    """Whether a training of the posts `now` may start from a release that was made as it is.

    folder: the release's key. before: the posts that the release was made from.
    """
    warm_start = WarmStart(
        release=parent.revision,
        folder=folder,
        weights=FileRef(f"{folder}/{WEIGHTS}", parent.files[WEIGHTS].sha256),
        corpus=parent.file,
        base_used_at=parent.base_used_at.isoformat(),
        base_posts=parent.warm_start.base_posts if parent.warm_start else len(before.train),
        new_posts=len(now.train - before.train),
    )
    if (reason := next(_objections(warm_start, before, now), None)) is not None:
        return Start(None, reason)
    if (reason := next(_turn_of_base(warm_start, now, limits, at), None)) is not None:
        tried = replace(warm_start, base_used_at=at.isoformat(), base_posts=len(now.train))
        return Start(None, reason, instead=tried)
    return Start(warm_start, counted(warm_start.new_posts, "new post"))


def _objections(warm_start: WarmStart, before: CorpusPosts, now: CorpusPosts) -> Iterator[str]:
    release = f"release {warm_start.release}"
    if held_out := len(before.train & now.held_out):
        yield f"{release} was trained on {counted(held_out, 'post')} now held out"
    if gone := len(before.train - now.train - now.held_out):
        yield f"{release} was trained on {counted(gone, 'post')} no longer in the corpus"
    if not warm_start.new_posts:
        yield f"no training posts are new since {release}"


def _turn_of_base(
    warm_start: WarmStart, now: CorpusPosts, limits: Limits, at: datetime
) -> Iterator[str]:
    share = len(now.train) / max(warm_start.base_posts, 1) - 1
    if share >= limits.share:
        yield f"{share:.0%} more training posts than at the last training from it"
    age = at - datetime.fromisoformat(warm_start.base_used_at)
    if age >= timedelta(days=limits.days):
        yield f"the last training from it was {age.days} days ago"
