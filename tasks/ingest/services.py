"""The services that posts are fetched from, by the names that operators give them."""

from __future__ import annotations

from tasks.core.errors import BadInput
from tasks.core.names import BlueskyHandle, Handle

COMMUNITY_ARCHIVE, X_API, BLUESKY = "community_archive", "x_api", "bluesky"
SERVICES = (COMMUNITY_ARCHIVE, X_API, BLUESKY)
_KINDS: dict[str, type[Handle]] = {
    COMMUNITY_ARCHIVE: Handle,
    X_API: Handle,
    BLUESKY: BlueskyHandle,
}


def refuse_foreign(handle: Handle, service: str) -> None:
    """Raises BadInput for a handle that a service cannot have any posts of."""
    kind = _KINDS[service]
    if type(handle) is kind:
        return
    if kind is BlueskyHandle:
        raise BadInput(f"@{handle} is not a Bluesky handle: these have a dot, as alice.bsky.social")
    raise BadInput(
        f"@{handle} is a {handle.service} handle, and {service} has accounts of X only"
        f"{': use bluesky' if type(handle) is BlueskyHandle else ''}"
    )
