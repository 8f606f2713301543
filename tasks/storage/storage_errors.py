"""Errors of file systems and object stores as errors of ours that say what to do."""

from __future__ import annotations

import errno
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.core.errors import HuggingtweetsError, NetworkTrouble, StorageUnusable, WrongStorage

_OS_REASONS = {
    errno.ENOSPC: "no space is left: free some",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EACCES: "no permission to write: choose another folder or change its permissions",
    errno.EPERM: "no permission to write: choose another folder or change its permissions",
    errno.EROFS: "it is read-only: choose another folder",
    errno.ENOTDIR: "a part of the path is a file: choose another folder",
    errno.ENAMETOOLONG: "the path is too long: choose another folder",
    errno.ELOOP: "its symbolic links lead in a circle: choose another folder",
    errno.EEXIST: "a part of the path is a file: choose another folder",
}
_FULL = (errno.ENOSPC, errno.EDQUOT)
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
            raise kind_of(error)(f"{_place(url, error)}: {reason}") from error
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


def kind_of(error: BaseException) -> type[StorageUnusable]:
    """What to raise for it: WrongStorage where another storage, or other rights, would help."""
    number = _number_of(error)
    is_wrong = number not in _FULL and (number in _OS_REASONS or not number)
    return WrongStorage if is_wrong else StorageUnusable


def reason_of(error: BaseException) -> str | None:
    """What is wrong with the storage and what to do; None where that is not known."""
    if isinstance(error, OSError):
        if error.errno:
            return _OS_REASONS.get(error.errno)
        found = re.search(r"AWS Error (\w+)|allow_bucket_creation", str(error))
        return _STORE_REASONS.get(found[1] or found[0]) if found else None
    return _OS_REASONS.get(_number_of(error))


def _number_of(error: BaseException) -> int:
    """The system's number of an error, 0 for none; safetensors has it in its message only."""
    if isinstance(error, OSError):
        return error.errno or 0
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else 0
