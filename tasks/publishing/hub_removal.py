"""Taking a bot's repository off the Hugging Face Hub."""

from __future__ import annotations

from pydantic import SecretStr

from tasks.publishing.hub_errors import explained


def delete_repository(repository: str, *, token: SecretStr, endpoint: str | None = None) -> bool:
    """Delete `namespace/bot` with all its revisions; returns whether there was one.

    endpoint: another Hub, or None for the usual one.
    Raises PermanentError (token) and TransientError (network, limits).
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    api = HfApi(endpoint=endpoint, token=token.get_secret_value(), library_name="huggingtweets")
    with explained(repository, token):
        try:
            api.delete_repo(repository)
        except RepositoryNotFoundError as error:
            # The client says the same of a refused token, with another status.
            if error.response.status_code != 404:
                raise
            return False
    return True
