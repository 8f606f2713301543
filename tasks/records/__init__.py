"""The small frozen records that travel between the rooms.

They refer to files (`FileRef`) and never hold tables or weights, so that their content can serve
as a cache key.
"""

from tasks.records.corpora import Corpus, Counts
from tasks.records.digests import digest
from tasks.records.evaluations import Evaluation, Gate, GateFigures, Prediction
from tasks.records.files import MANIFEST, FileRef
from tasks.records.outcomes import Outcome, Release, Status, TrackedRun
from tasks.records.posts import Account, Kind, Post, Profile
from tasks.records.trainings import Base, Checkpoint, Progress, Spec

__all__ = [
    "MANIFEST",
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
    "digest",
]
