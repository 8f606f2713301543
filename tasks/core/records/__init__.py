"""The small frozen records that are passed between tasks.

They refer to files (`FileRef`) and never contain tables or weights, so that their content can be a
cache key.
"""

from tasks.core.records.account_posts import Account, Kind, Post, Profile
from tasks.core.records.bot_outcomes import Outcome, Release, Status, TrackedRun
from tasks.core.records.corpora import Corpus, Counts
from tasks.core.records.digests import digest
from tasks.core.records.evaluations import Evaluation, Gate, GateFigures, Prediction
from tasks.core.records.files import ADAPTER_WEIGHTS, MANIFEST, WEIGHTS, FileRef
from tasks.core.records.trainings import Base, Checkpoint, Progress, Spec, WarmStart

__all__ = [
    "ADAPTER_WEIGHTS",
    "MANIFEST",
    "WEIGHTS",
    "Account",
    "Base",
    "Checkpoint",
    "Corpus",
    "Counts",
    "Evaluation",
    "FileRef",
    "Gate",
    "GateFigures",
    "Kind",
    "Outcome",
    "Post",
    "Prediction",
    "Profile",
    "Progress",
    "Release",
    "Spec",
    "Status",
    "TrackedRun",
    "WarmStart",
    "digest",
]
