"""How flows get run: the `huggingtweets` command, deployments and the registry of bots."""
