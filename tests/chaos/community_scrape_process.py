"""Scrapes @alice from the stand-in: `community_scrape_process.py URL STORAGE KEY`."""

from __future__ import annotations

import sys

from pydantic import SecretStr

from tasks.core.names import Handle
from tasks.core.settings import Settings
from tasks.ingest.community_scrape import open_community_archive, scrape_from_community
from tasks.storage import open_storage


def main(url: str, storage: str, key: str) -> None:
    settings = Settings(community_archive_url=url, community_archive_key=SecretStr(key))
    client = open_community_archive(settings)
    print(scrape_from_community(Handle("alice"), client, open_storage(storage), "night"))


if __name__ == "__main__":
    main(*sys.argv[1:])
