"""The stories: what happens in which order."""

import logging

# What flows and rooms say of their progress is for the run's page too; it shows what passes here.
logging.getLogger("huggingtweets").setLevel(logging.INFO)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of Prefect's says more than that a run is completed, as its state does."""
    return not str(record.msg).startswith("Finished in state Completed")


for _name in ("prefect.task_runs", "prefect.flow_runs"):
    logging.getLogger(_name).addFilter(_is_news)
