"""Removing an account from everything that was made of it."""
