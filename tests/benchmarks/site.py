"""How long the site of many bots takes: `python -m tests.benchmarks.site --bots 1000`."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

os.environ["HUGGINGTWEETS_SITE_WRITING"] = "false"  # a GGUF takes seconds, once a release

from tasks.core.names import Bot
from tasks.core.records import Profile
from tasks.operations.site_building import build_site
from tasks.operations.site_places import place_of
from tasks.publishing.releases import publish_locally
from tasks.storage import Storage, open_storage
from tests.tasks.publishing.examples import CHECKPOINT, MODEL, make_contents


def release(storage: Storage, number: int, day: int) -> None:
    bot, contents = Bot.parse(f"bot{number}"), make_contents()
    counts = contents.corpus.counts["alice"]
    contents = replace(
        contents,
        bot=bot,
        corpus=replace(contents.corpus, bot=bot, counts={bot.name: counts}),
        profiles=tuple(Profile(handle, f"Bot {number}") for handle in bot.handles),
        created_at=contents.created_at + timedelta(days=day),
        visibility="public",
        languages=("en", "fr")[: 1 + number % 2],
    )
    publish_locally(storage, CHECKPOINT, contents)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bots", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        storage = open_storage(f"{temporary}/storage")
        with storage.new_folder(CHECKPOINT) as folder:
            for name, data in (*MODEL.items(), ("manifest.json", b"{}")):
                (folder / name).write_bytes(data)
        for number in range(options.bots):
            release(storage, number, number % 300)
        out = options.out or Path(temporary) / "site"
        place = place_of(str(out))
        for what in ("first build", "again", "after one release"):
            if what == "after one release":
                storage.delete("releases/bot7")
                release(storage, 7, 301)
            begun = time.monotonic()
            built = build_site(storage, place)
            seconds = time.monotonic() - begun
            print(
                f"{what}: {built.bots} bots, {built.files} files, {built.bytes / 1e6:.1f} MB, "
                f"{built.written} written, in {seconds:.1f} s"
            )
        print(f"index.html: {(out / 'index.html').stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
