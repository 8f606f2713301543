"""Everything that goes into a release, in one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tasks.core.gguf_kinds import GgufKind
from tasks.core.names import Bot
from tasks.core.records import (
    ADAPTER_WEIGHTS,
    Base,
    Checkpoint,
    Corpus,
    Evaluation,
    Gate,
    Profile,
    Spec,
    TrackedRun,
)


@dataclass(frozen=True)
class ReleaseContents:
    """Everything that the card, the picture and the metrics of one release show.

    revision: from `releases.revision_of`; created_at: aware, UTC.
    profiles: one for each handle of the bot, in the bot's order.
    tracked: where the training was tracked; empty if it was not.
    namespace: the Hub user or organisation that will publish the release, or None.
    project_url: the page of this project that the card links to, or None for no link.
    sweep_url: the page of the last sweep of the bot's settings, or None.
    site_url: where the site with this bot's page is, or None.
    gate: the verdict on the bot, or None where there is none.
    languages: of the kept posts, as the corpus names them.
    contact: whom to ask for removal: an https address, or text such as an e-mail address; or None.
    visibility: whom the bot is shown to, on the Hub and on a site.
    gguf: which GGUF it is to have as well, `q8_0` or `bf16`; None for none but those it has.
    avatars: by handle, from `avatars.avatar_of`; missing ones are drawn as initials.
    chosen_posts: that a person wants on the picture instead of predictions; empty for none.
    """

    bot: Bot
    revision: str
    created_at: datetime
    corpus: Corpus
    base: Base
    checkpoint: Checkpoint
    evaluation: Evaluation
    profiles: tuple[Profile, ...]
    spec: Spec
    tracked: TrackedRun
    namespace: str | None = None
    project_url: str | None = None
    sweep_url: str | None = None
    site_url: str | None = None
    gate: Gate | None = None
    languages: tuple[str, ...] = ()
    contact: str | None = None
    visibility: Literal["private", "public"] = "private"
    gguf: GgufKind | None = None
    avatars: Mapping[str, bytes] = field(default_factory=dict)
    chosen_posts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if tuple(profile.handle for profile in self.profiles) != self.bot.handles:
            raise AssertionError(f"{self.bot}: one profile for each handle, in the bot's order")

    @property
    def repository(self) -> str | None:
        """The Hub repository, `namespace/bot`, or None for a local release."""
        return f"{self.namespace}/{self.bot.hub_name}" if self.namespace else None

    @property
    def is_adapter(self) -> bool:
        """Whether the weights are an adapter, which needs its base."""
        return self.checkpoint.weights.uri.endswith(f"/{ADAPTER_WEIGHTS}")
