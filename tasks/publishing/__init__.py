"""From a checkpoint to a release: card, picture, local folder, Hub."""
