"""How good a bot is: held-out loss, predictions, memorisation, the gate."""

from tasks import training as _training  # noqa: F401 - it settles torch's threads before torch
