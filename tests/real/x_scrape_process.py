"""A process of its own that scrapes @drob from the stand-in: `x_scrape_process.py URL STORAGE`."""

from __future__ import annotations

import sys

from pydantic import SecretStr

from tasks.core.names import Handle
from tasks.core.settings import Settings
from tasks.ingest.x_scrape import open_budget, open_client, scrape_account
from tasks.storage import open_storage


def main(url: str, storage: str, token: str) -> None:
    settings = Settings(
        x_accept_terms=True,
        x_bearer_token=SecretStr(token),
        x_api_url=url,
        x_budget_run=None,
        x_budget_month=None,
    )
    budget = open_budget(open_storage(storage), settings, "nightly")
    print(scrape_account(Handle("drob"), open_client(settings), budget))  # noqa: T201 - its result


if __name__ == "__main__":
    main(*sys.argv[1:])
