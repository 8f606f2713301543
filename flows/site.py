"""The site: the pages of all bots, brought up to date."""

from __future__ import annotations

import logging
from typing import Any

from prefect import flow
from prefect.states import Failed

from tasks.core.errors import HuggingtweetsError
from tasks.operations.site_places import place_of
from tasks.site import build

log = logging.getLogger("huggingtweets")


@flow(name="site", persist_result=True, result_serializer="json")
def site(to: str = "", *, private: bool = False) -> Any:
    """Build the site, or bring it up to date: only what changed is written.

    Args:
        to: A folder, or hf://spaces/NAMESPACE/NAME for a Space on the Hub; left empty, the
            setting's.
        private: Show private bots too; in a folder only.

    Returns:
        How many files it has, and what changed.
    """
    try:
        place = place_of(to, private=private)
        built = build(place)
    except HuggingtweetsError as error:
        log.error("%s", error)  # noqa: TRY400 - one line is the message, not a traceback
        return Failed(message=str(error), data=error)
    log.info(
        "site %s: %d bots, %d files, %d written, %d removed",
        place, built.bots, built.files, built.written, built.removed,
    )  # fmt: skip
    return built
