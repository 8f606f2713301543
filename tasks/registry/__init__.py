"""The bots that are kept fresh: their list, their state, and which of them are due."""
