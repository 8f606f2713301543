"""What an object store needs and a folder does not: longer retries, buckets, credentials."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pyarrow import fs as pafs

# A store that does not answer is retried for about 100 s: after 25 ms, 50 ms, 100 ms …
_ATTEMPTS = 12


def with_longer_retries(filesystem: pafs.FileSystem) -> pafs.FileSystem:
    """The same file system; S3's retries longer than by default."""
    if not isinstance(filesystem, pafs.S3FileSystem):
        return filesystem
    # The hook for pickle is the only access to the options that pyarrow read from the URL.
    reduced: Any = filesystem.__reduce__()
    build, (options,) = reduced
    again: pafs.FileSystem = build(
        {**options, "retry_strategy": pafs.AwsDefaultS3RetryStrategy(_ATTEMPTS)}
    )
    return again


def make_bucket(filesystem: pafs.FileSystem, name: str) -> bool:
    """Create a bucket unless it exists; returns whether it was created.

    Raises OSError, also where the storage's URL lacks `allow_bucket_creation=true`.
    """
    if filesystem.get_file_info(name).type != pafs.FileType.NotFound:
        return False
    filesystem.create_dir(name)
    return True


def without_credentials(url: str) -> str:
    """The URL without the key and secret that may stand before its host, for messages."""
    before = urlsplit(url).netloc.rpartition("@")[0] if "://" in url else ""
    return url.replace(f"{before}@", "", 1) if before else url
