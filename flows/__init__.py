"""The stories: what happens in which order."""

import logging

# What flows and rooms say of their progress is for the run's page too; it shows what passes here.
logging.getLogger("huggingtweets").setLevel(logging.INFO)
