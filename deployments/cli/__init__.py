"""The `huggingtweets` command."""
