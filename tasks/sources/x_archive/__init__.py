"""The archive that X gives an account's owner."""
