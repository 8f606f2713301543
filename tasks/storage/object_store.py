"""What an object store needs that a folder does not: patience, and a URL without its key."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pyarrow import fs as pafs

# A store that is away is asked again for about 100 s: after 25 ms, 50 ms, 100 ms …
_ASKED = 12


def patient(filesystem: pafs.FileSystem) -> pafs.FileSystem:
    """The same file system; an object store's waits longer for an answer than by default."""
    if not isinstance(filesystem, pafs.S3FileSystem):
        return filesystem
    # What pickle calls: the only way to the options that a URL was read into.
    reduced: Any = filesystem.__reduce__()
    build, (options,) = reduced
    again: pafs.FileSystem = build(
        {**options, "retry_strategy": pafs.AwsDefaultS3RetryStrategy(_ASKED)}
    )
    return again


def make_bucket(filesystem: pafs.FileSystem, name: str) -> bool:
    """Make a bucket where there is none; says whether there was none.

    Raises OSError, also where the storage's URL lacks `allow_bucket_creation=true`.
    """
    if filesystem.get_file_info(name).type != pafs.FileType.NotFound:
        return False
    filesystem.create_dir(name)
    return True


def without_key(url: str) -> str:
    """The URL without the name and secret that may stand before its host, for messages."""
    before = urlsplit(url).netloc.rpartition("@")[0] if "://" in url else ""
    return url.replace(f"{before}@", "", 1) if before else url
