"""Errors of file systems and object stores as errors of ours that say what to do."""

from __future__ import annotations

import errno
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.core.errors import HuggingtweetsError, NetworkTrouble, StorageUnusable

_OS_REASONS = {
    errno.ENOSPC: "no space is left: free some",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EACCES: "no permission to write: choose another folder or change its permissions",
    errno.EPERM: "no permission to write: choose another folder or change its permissions",
    errno.EROFS: "it is read-only: choose another folder",
    errno.ENOTDIR: "a part of the path is a file: choose another folder",
    errno.EEXIST: "a part of the path is a file: choose another folder",
}
_KEYS = "the object store refuses the keys: correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
# Names as pyarrow prints them.
_STORE_REASONS = {
    "NO_SUCH_BUCKET": "the bucket does not exist: create it",
    "allow_bucket_creation": "the bucket does not exist: add allow_bucket_creation=true to the URL",
    "ACCESS_DENIED": _KEYS,
    "INVALID_ACCESS_KEY_ID": _KEYS,
    "INVALID_CLIENT_TOKEN_ID": _KEYS,
    "SIGNATURE_DOES_NOT_MATCH": _KEYS,
}
_STORE_TROUBLE = re.compile(
    r"AWS Error (NETWORK_CONNECTION|SLOW_DOWN|THROTTLING|SERVICE_UNAVAILABLE|INTERNAL_FAILURE"
    r"|REQUEST_TIMEOUT|\w+ \(HTTP status 5\d\d\))"
)


@contextmanager
def translate_errors(url: str) -> Iterator[None]:
    """Raise StorageUnusable or NetworkTrouble for what a storage raises within the block.

    Other errors pass unchanged, such as FileNotFoundError.
    """
    try:
        yield
    except HuggingtweetsError:
        raise
    except Exception as error:
        if (reason := reason_of(error)) is not None:
            raise StorageUnusable(f"{_place(url, error)}: {reason}") from error
        if isinstance(error, OSError) and (trouble := _STORE_TROUBLE.search(str(error))):
            raise NetworkTrouble(
                f"storage {url}: the object store does not answer ({trouble[1]}): try again later"
            ) from error
        raise


def _place(url: str, error: BaseException) -> str:
    """What the reason holds for: only this machine's file systems give numbers."""
    if "://" in url and not url.startswith("file:") and getattr(error, "errno", None):
        return f"temporary folder {tempfile.gettempdir()}, used for storage {url}"
    return f"storage {url}"


def reason_of(error: BaseException) -> str | None:
    """What is wrong with the storage and what to do; None where that is not known."""
    if isinstance(error, OSError):
        if error.errno:
            return _OS_REASONS.get(error.errno)
        found = re.search(r"AWS Error (\w+)|allow_bucket_creation", str(error))
        return _STORE_REASONS.get(found[1] or found[0]) if found else None
    # safetensors has the number in its message only.
    found = re.search(r"\(os error (\d+)\)", str(error))
    return _OS_REASONS.get(int(found[1])) if found else None
