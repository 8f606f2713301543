"""Whose archive it is: `actor.json`, or else the author of what is in the outbox."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tasks.core.errors import BadInput, InvalidHandle
from tasks.core.names import Handle, MastodonHandle

# Not `/ap/users/113…`, where a number stands for the name.
_USER = re.compile(r"(?<!/ap)/(?:users/|@|u/)([A-Za-z0-9_]+)(?:/|\Z)")


def owner_of(about: Mapping[str, Any], author: str, post_url: str) -> MastodonHandle | None:
    """The handle of the account that an archive is of, None if it does not say.

    about: the object in `actor.json`, which may be empty. author: the actor's address; post_url:
    that of a post as people see it, since an address may hold a number instead of the name.
    """
    address = about.get("id")
    actor = address if isinstance(address, str) and address else author
    name = about.get("preferredUsername")
    user = name if isinstance(name, str) and name else _user_in(actor) or _user_in(post_url)
    host = _host(actor)
    if not user or not host:
        return None
    try:
        return MastodonHandle.of(user.lower(), host)
    except InvalidHandle:
        return None


def checked_owner(path: Path, found: MastodonHandle | None, wanted: Handle | None) -> Handle:
    """The handle of an archive, which must be `wanted` if that is given. Raises BadInput.

    A server may name its accounts after a shorter domain than its own: then `wanted` says so.
    """
    if wanted is None:
        if found is None:
            raise BadInput(f"{path}: the archive does not say whose it is: give --handle")
        return found
    if not isinstance(wanted, MastodonHandle):
        raise BadInput(
            f"{path}: is an archive of Mastodon, and @{wanted} is a handle of {wanted.service}: "
            f"give --handle {found.written if found else 'alice@mastodon.social'}"
        )
    if found is not None and not _is_same(found, wanted):
        raise BadInput(
            f"{path}: the archive is that of {found.written}, not of {wanted.written}: correct "
            "--handle"
        )
    return wanted


def _is_same(found: MastodonHandle, wanted: MastodonHandle) -> bool:
    is_host = found.server == wanted.server or found.server.endswith(f".{wanted.server}")
    return found.user == wanted.user and is_host


def _user_in(address: str) -> str:
    found = _USER.search(address)
    return found[1] if found else ""


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""
