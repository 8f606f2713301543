"""The services that posts are fetched from, by the names that operators give them."""

X_API, BLUESKY = "x_api", "bluesky"
SERVICES = (X_API, BLUESKY)
