"""How good a bot is: held-out loss and predictions."""
