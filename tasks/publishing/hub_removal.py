"""Deletes a bot's repository from the Hugging Face Hub."""

from __future__ import annotations

from pydantic import SecretStr

from tasks.publishing.hub_errors import hub_errors_translated


def delete_repository(repository: str, *, token: SecretStr, endpoint: str | None = None) -> bool:
    """Delete `namespace/bot` with all its revisions; returns whether there was one.

    endpoint: the Hub endpoint, or None for huggingface.co.
    Raises PermanentError (token) and TransientError (network, limits).
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    api = HfApi(endpoint=endpoint, token=token.get_secret_value(), library_name="huggingtweets")
    with hub_errors_translated(repository, token):
        try:
            api.delete_repo(repository)
        except RepositoryNotFoundError as error:
            # The client raises this for a refused token too, with another status.
            if error.response.status_code != 404:
                raise
            return False
    return True
