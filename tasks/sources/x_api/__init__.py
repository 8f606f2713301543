"""Posts from the X API v2."""
