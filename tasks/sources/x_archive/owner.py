"""Whose archive it is: a few fields of the files about the account, and nothing else from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.core.errors import BadInput, InvalidHandle, UnreadableSource
from tasks.core.names import Handle
from tasks.core.records import Profile
from tasks.sources.files.javascript import read_value
from tasks.sources.x_archive.index import ArchiveIndex

# Of each file: the keys that lead to the object, then those of the handle and the display name.
# `account.js` holds an e-mail address and a phone number too, which are not read.
_FILES = (
    ("manifest.js", ("userInfo",), "userName", "displayName"),
    ("account.js", ("account",), "username", "accountDisplayName"),
    ("js/user_details.js", (), "screen_name", "full_name"),
)
_AVATAR_FILE = "profile.js"
_LONGEST = 300


def read_profile(index: ArchiveIndex, wanted: Handle | None) -> Profile:
    """The account of an archive, which must be `wanted` if that is given.

    Raises BadInput, UnreadableSource.
    """
    found = _names(index)
    handle = found[0] if found else wanted
    if handle is None:
        raise BadInput(f"{index.path}: the archive does not say whose it is: give --handle")
    if wanted is not None and wanted != handle:
        raise BadInput(
            f"{index.path}: the archive is @{handle}'s, not @{wanted}'s: correct --handle"
        )
    name = found[1] if found else handle.name
    return Profile(handle, name or handle.name, _avatar(index))


def _names(index: ArchiveIndex) -> tuple[Handle, str] | None:
    for file, path, handle_key, name_key in _FILES:
        about = _object(index, file, path)
        if handle := _string(about, handle_key):
            try:
                return Handle.parse(handle), _string(about, name_key)
            except InvalidHandle as error:
                raise UnreadableSource(f"{index.path}/{file}: {error}") from error
    return None


def _avatar(index: ArchiveIndex) -> str | None:
    url = _string(_object(index, _AVATAR_FILE, ("profile",)), "avatarMediaUrl")
    return url if url.startswith("https://") else None


def _object(index: ArchiveIndex, file: str, path: tuple[str, ...]) -> Mapping[str, Any]:
    """The object in a file, empty if the file is absent or has another shape."""
    name = next((each for each in index.about if f"/{each}".endswith(f"/{file}")), None)
    if name is None:
        return {}
    with index.files.open(name) as stream:
        value = read_value(stream, index.files.label(name))
    if isinstance(value, list) and value:
        value = value[0]
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _string(about: Mapping[str, Any], key: str) -> str:
    value = about.get(key)
    return value[:_LONGEST] if isinstance(value, str) else ""
