"""Posts from the archive that a server of Mastodon gives to the owner of an account."""
