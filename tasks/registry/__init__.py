"""The bots that are kept fresh: which they are, how each fares, and which are due."""
