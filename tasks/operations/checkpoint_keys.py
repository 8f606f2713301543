"""What a checkpoint is known by, and where it lies in the storage."""

from __future__ import annotations

from tasks.core.names import Bot
from tasks.core.records import MANIFEST, Base, Checkpoint, Corpus, Spec, WarmStart, digest
from tasks.storage import Storage

# Of each mode, raised whenever the same corpus, base and spec would give other weights than before.
# Bots of an earlier recipe are then trained from the base at their next retrain. Their checkpoints
# and unfinished trainings have other fingerprints, so that none is taken for a new one.
RECIPES = {"full": 6, "adapter": 7}
# Raised in the same way for warm starts, of which nothing else changes.
WARM_RECIPE = 1
# The storage's folders of trained weights and of unfinished trainings, by bot and fingerprint.
CHECKPOINTS, RESUME = "checkpoints", "resume"


def recipe_of(spec: Spec) -> int:
    """Which recipe a spec is trained by: a part of whatever digests what goes into a bot."""
    return RECIPES[spec.mode]


def fingerprint_of(
    corpus: Corpus, base: Base, spec: Spec, warm_start: WarmStart | None = None
) -> str:
    """The digest of all that goes into a checkpoint, so that equal ones need no training.

    Of a warm start these are the parent's weights and posts as well: the latter say what is new.
    """
    whole = digest(recipe_of(spec), corpus.bot, corpus.file.sha256, base.id, base.revision, spec)
    if warm_start is None:
        return whole
    parent = warm_start.weights.sha256, warm_start.corpus.sha256
    return digest("warm start", WARM_RECIPE, whole, *parent)


def checkpoint_key(bot: Bot, fingerprint: str) -> str:
    """Where the checkpoint of a fingerprint is, or would be."""
    return f"{CHECKPOINTS}/{bot}/{fingerprint[:16]}"


def is_current(storage: Storage, checkpoint: Checkpoint, fingerprint: str) -> bool:
    """Whether a checkpoint from the cache is what a training now would make, and still stored.

    The cache's key does not hold the recipe, so that it finds checkpoints of earlier ones too.
    """
    stored = storage.exists(f"{checkpoint.uri}/{MANIFEST}")
    return stored and checkpoint.fingerprint == fingerprint
