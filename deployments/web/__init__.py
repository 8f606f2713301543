"""The local page: bots to try, and a page where they are made."""
