"""How bots write: sampling, decoding, the mention guard, fast writers."""

from tasks import training as _training  # noqa: F401 - it settles torch's threads before torch
