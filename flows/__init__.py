"""The stories: what happens in which order."""
