"""Makes a bot: imports what was uploaded, and retrains it with the flows that everybody uses.

    python -m deployments.web.make_bot

The command is `{"id", "bot", "sources", "base"}`. Under `serve` the bot is made by its workers, in
a run of the deployment `account`; where no server has it, by the flow in this process. The answers
are `{"log"}`, `{"imported"}` once the uploads are not needed any more, `{"progress"}`, and at the
end `{"outcome"}` or `{"error"}`. `{"stop": id}` cancels.
"""

from __future__ import annotations

import logging
import os
import signal
from datetime import UTC, datetime

from deployments import console
from deployments.web.bot_sources import FromService, UsedFile, parse_source
from deployments.web.json_lines import Answer, Command, answers, commands
from tasks.core import interruption
from tasks.core.errors import HuggingtweetsError
from tasks.core.names import Bot, Handle
from tasks.core.records import Outcome
from tasks.ingest.importing import import_posts


class _LogLines(logging.Handler):
    """Answers with the project's log lines."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(logging.INFO)
        self._answer = answer

    def emit(self, record: logging.LogRecord) -> None:
        """Answer with a record, unless it is of the progress, which is answered by itself."""
        if not hasattr(record, "percent"):
            self._answer({"log": record.getMessage()})


def main() -> None:
    """Make the bot that the one command names."""
    console.prepare_environment()
    answer = answers()
    logger = logging.getLogger("huggingtweets")
    logger.setLevel(logging.INFO)
    logger.addHandler(_LogLines(answer))
    for command in commands(on_end=lambda: os.kill(os.getpid(), signal.SIGTERM)):
        try:
            outcome = make(command, answer)
            answer({"outcome": outcome.status.value, "reason": outcome.plain_reason})
        except HuggingtweetsError as error:
            answer({"error": str(error)})
        return


def make(command: Command, answer: Answer) -> Outcome:
    """Make a bot; returns its outcome. Raises what the sources and the flow raise."""
    bot = Bot.parse(command["bot"])
    sources = [parse_source(each) for each in command["sources"]]
    for each in sources:
        if isinstance(each, UsedFile):
            _import(each)
            interruption.check()
    answer({"imported": True})
    services: dict[str, str] = {
        Handle.parse(each.handle).name: each.service
        for each in sources
        if isinstance(each, FromService)
    }
    if (outcome := _on_server(bot, services, command["base"], answer)) is not None:
        return outcome
    return _here(bot, services, command["base"], answer)


def _import(file: UsedFile) -> None:
    source = file.open()
    scraped = import_posts(source.handle, source, file.path)
    log = logging.getLogger("huggingtweets")
    for notice in source.findings.notices:
        log.warning("@%s: %s", scraped.handle, notice)
    log.info("@%s: %d posts, %d of them new", scraped.handle, scraped.seen, scraped.new)


def _here(bot: Bot, services: dict[str, str], base: str, answer: Answer) -> Outcome:
    from deployments.retraining import run_retrain
    from deployments.web.run_progress import progress_followed, run_of_bot
    from tasks.core.records import Spec

    run = run_of_bot(bot, began=datetime.now(UTC))
    with progress_followed(run, lambda progress: answer({"progress": progress})):
        (outcome,) = run_retrain([bot], services, base=base, training=Spec())
    return outcome


def _on_server(bot: Bot, services: dict[str, str], base: str, answer: Answer) -> Outcome | None:
    """The outcome of a run of the workers of `serve`; None where there is no such server."""
    if not os.environ.get("PREFECT_API_URL"):
        return None
    from deployments.web.served_runs import run_on_server

    return run_on_server(bot, services, base, lambda progress: answer({"progress": progress}))


if __name__ == "__main__":
    main()
