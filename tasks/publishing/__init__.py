"""From a checkpoint to a release: card, picture, release folder, Hub."""
