"""The settings, read once from `HUGGINGTWEETS_*`: environment, `.env`, secret files."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from tasks.core.errors import BadInput
from tasks.core.gguf_kinds import GgufKind

# Container engines put each secret here, in a file named like the variable, such as
# `HUGGINGTWEETS_HUB_TOKEN`. The environment and `.env` take precedence.
SECRETS = Path("/run/secrets")
HostName = Annotated[str, Field(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?$")]


def _user_cache() -> Path:
    import os

    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingtweets"


def _host_name() -> str:
    return platform.node() or "localhost"


class Settings(BaseSettings):
    """All settings. Secrets are `SecretStr`, revealed only where they are used."""

    model_config = SettingsConfigDict(
        env_prefix="HUGGINGTWEETS_", env_file=".env", extra="ignore", frozen=True
    )

    storage: str = Field("storage", description="Storage root: a folder, or a URL such as s3://…")
    cache: Path = Field(default_factory=_user_cache, description="Base models, fonts and samples")
    base: str = Field(
        "openai-community/gpt2", description="Hub id or folder of the base, or `embedded`"
    )
    filter: str = Field("modern", description="Which filter curates: modern or classic")
    min_characters: int = Field(6_000, description="Kept text below this is not enough to train")
    warn_characters: int = Field(40_000, description="Kept text below this is warned about")
    languages: tuple[str, ...] = Field((), description="Keep these languages only; empty: all")

    registry: str = Field("bots.yaml", description="The list of bots that are kept fresh")
    due_posts: int = Field(
        200, ge=0, description="This many imported posts make a bot due early; 0: never"
    )
    timezone: str = Field("UTC", description="Time zone of the nights, such as Europe/Paris")

    warm_share: float = Field(
        0.25,
        ge=0,
        le=1,
        description="A retrain starts from the base again once so large a share "
        "of training posts is new; 0: it always does",
    )
    warm_days: float = Field(
        30, ge=0, description="Days after which a retrain starts from the base again"
    )
    gate_tolerance: float = Field(
        0.1, ge=0, description="Nats a token by which a bot may be worse than its release"
    )
    gate_repeats: float = Field(
        0.05, ge=0, le=1, description="Share of repeated samples from which a bot is held back"
    )
    avatars: Literal["public", "any", "off"] = Field(
        "public", description="Hosts that avatars are fetched from: public ones, any, or none"
    )
    gguf: GgufKind | None = Field(
        None, description="Add this GGUF to each release, on the Hub too: q8_0 or bf16"
    )
    keep_releases: int = Field(3, ge=1, description="Releases of a bot kept locally")
    keep_runs_days: int = Field(
        30, ge=1, description="Days that the server of `serve` keeps runs, logs and artifacts"
    )

    machine: str = Field(
        default_factory=_host_name,
        pattern=r"^[^/%&<>]+$",
        description="This machine's name among those that share a server; default: its host name",
    )
    trainings: int = Field(
        1, ge=1, description="Bots that this machine trains at a time, each in a process of its own"
    )
    checkpoint_seconds: float = Field(
        60.0, ge=0, description="Seconds between two saves of a training for resuming; 0: never"
    )

    hosts: tuple[HostName, ...] = Field(
        (), description="Further names that our servers are reached by: `name` or `name:port`"
    )
    web_token: Annotated[SecretStr, Field(min_length=16)] | None = Field(
        None, description="Asked for by the local page; default: drawn where others could reach it"
    )

    hub_token: SecretStr | None = Field(None, description="Write token of the Hugging Face Hub")
    hub_endpoint: str | None = Field(None, description="Hub endpoint, if not huggingface.co")
    hub_namespace: str | None = Field(None, description="User or organisation to publish under")
    hub_pushes: int = Field(1, ge=1, le=2, description="Pushes to the Hub at a time, all workers")
    project_url: str | None = Field(None, description="This project's page, linked from the cards")
    contact: str | None = Field(
        None, description="Whom cards say to ask for removal: an https address or an e-mail address"
    )
    visibility: str = Field("private", description="Of new Hub repositories: private or public")
    hub_gated: Literal["auto", "manual"] | None = Field(
        None, description="Access to Hub repositories on request only: auto or manual"
    )

    site: str | None = Field(
        None, description="Where nights build the site: a folder, or hf://spaces/NAMESPACE/NAME"
    )
    site_url: str | None = Field(
        None,
        pattern=r"^https?://\S+[^/\s]$",
        description="Where others find the site; cards link it",
    )
    site_writing: bool = Field(True, description="Bots write on their pages; takes a GGUF of each")

    community_archive_key: SecretStr | None = Field(
        None, description="The Community Archive's public key, printed in its API guide"
    )
    community_archive_url: str | None = Field(
        None, description="Community Archive server, if not the public one"
    )
    bluesky_url: str | None = Field(None, description="Bluesky's API, if not the public host")
    x_bearer_token: SecretStr | None = Field(None, description="App-only token of the X API")
    x_accept_terms: bool = Field(
        False, description="X prohibits training on posts from its API; true turns the source on"
    )
    x_budget_run: float | None = Field(25.0, ge=0, description="Dollars a run may spend at X")
    x_budget_month: float | None = Field(100.0, ge=0, description="Dollars a month, all runs")
    x_price_post: float = Field(0.005, ge=0, description="X's price of a post, in dollars")
    x_price_user: float = Field(0.010, ge=0, description="X's price of a user, in dollars")
    x_api_url: str | None = Field(None, description="X API server, if not api.twitter.com")

    wandb_api_key: SecretStr | None = Field(None, description="Without it tracking is offline")
    wandb_project: str = Field("huggingtweets", description="Project of the runs")
    wandb_entity: str | None = Field(None, description="Team or user that owns the project")
    wandb_url: str | None = Field(None, description="Weights & Biases server, if not wandb.ai")
    wandb_texts: bool = Field(
        False, description="Artifacts contain posts' texts, if all are of the owner's archive"
    )
    tracking: bool = Field(True, description="Whether runs are tracked at all")

    notify_url: SecretStr | None = Field(
        None, description="Webhook to notify of a failed night (Slack, Mattermost, Discord)"
    )

    @field_validator("machine", mode="before")
    @classmethod
    def _empty_is_host_name(cls, value: object) -> object:
        """A container's variable is always set, so it may be empty."""
        return value or _host_name()

    @field_validator(
        "hub_token",
        "community_archive_key",
        "x_bearer_token",
        "wandb_api_key",
        "notify_url",
        "web_token",
        mode="before",
    )
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        """A container starts only if a secret's file is there, so it may be empty."""
        return value or None


@cache
def settings() -> Settings:
    """The settings, read once a process; `settings.cache_clear()` reads them again.

    Raises BadInput for one that cannot be used.
    """
    try:
        # pydantic-settings warns of a missing folder.
        return Settings(_secrets_dir=SECRETS if SECRETS.is_dir() else None)
    except (ValidationError, SettingsError) as error:
        raise BadInput(_unusable(error)) from None  # the cause would show values, secrets too


def _unusable(error: Exception) -> str:
    """Which setting cannot be used, and why, without its value: it may be a secret."""
    if not isinstance(error, ValidationError):
        return f'settings: {error}: lists are JSON, such as ["en"]'
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0]).upper() if first["loc"] else "settings"
    message = first["msg"].removeprefix("Value error, ")
    return f"HUGGINGTWEETS_{name}: {message[:1].lower()}{message[1:]}: correct it"
