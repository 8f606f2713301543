"""Writes posts for the local page, one command after another, with the last bot kept in memory.

    python -m deployments.web.write_posts

A command is `{"id", "bot", "start", "number", "temperature", "seed"}`; with `number` 0 the bot is
only loaded. The answers are `{"loaded"}`, `{"drafts"}`, all posts as far as they are written,
`{"post"}` for each that is finished, in order, and at the end `{"end"}` or `{"error"}`.
`{"stop": id}` ends the writing between two tokens.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from deployments import console
from deployments.web.json_lines import Answer, Command, answers, commands
from tasks.core.errors import BadInput, HuggingtweetsError, Interrupted
from tasks.core.names import Bot
from tasks.publishing.releases import latest_release
from tasks.storage import storage_root

if TYPE_CHECKING:
    from tasks.generation.release_writer import ReleaseWriter


class KeptWriter:
    """The writer of the bot that was asked for last."""

    def __init__(self) -> None:
        self._writer: ReleaseWriter | None = None
        self._release: object = None

    def of(self, bot: str) -> ReleaseWriter:
        """The writer of a bot's release in force; loaded, unless it is kept. Raises BadInput."""
        storage = storage_root()
        release = latest_release(storage, Bot.parse(bot))
        if release is None:
            raise BadInput(f"@{bot} has no release")
        key = (release.folder, release.fingerprint)
        if self._writer is None or self._release != key:
            from tasks.generation.release_writer import ReleaseWriter

            self._writer = None  # before the next one is loaded: memory for one is enough
            with storage.folder(release.folder) as folder:
                self._writer, self._release = ReleaseWriter(folder), key
        return self._writer


def main() -> None:
    """Write until standard input is closed."""
    console.prepare_environment()
    answer, kept = answers(), KeptWriter()
    # A command is under way when the page ends: nobody reads what it would write.
    for command in commands(on_end=lambda: os._exit(0)):
        try:
            _write(command, kept, answer)
            answer({"end": True})
        except Interrupted:
            answer({"end": True})
        except HuggingtweetsError as error:
            answer({"error": str(error)})


def _write(command: Command, kept: KeptWriter, answer: Answer) -> None:
    writer = kept.of(command["bot"])
    answer({"loaded": True})
    if command["number"]:
        from tasks.generation.decoding import Draw
        from tasks.generation.release_writer import in_order

        drawing = Draw(temperature=command["temperature"])
        start, number, seed = command["start"], command["number"], command["seed"]
        posts = writer.posts(
            start, number, seed, drawing=drawing, show=lambda drafts: answer({"drafts": drafts})
        )
        for post in in_order(posts):
            answer({"post": post})


if __name__ == "__main__":
    main()
