"""Posts from Bluesky, read without a login."""
