"""What a retrain is asked for: the shape of the forms in the UI and of the command's options."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from tasks.core.names import Bot, Handle
from tasks.core.records import Spec
from tasks.registry.entries import Entry

# Looser than `Handle.parse`, which has the last word: what a form can refuse before a run exists.
_HANDLE = r"@?([A-Za-z0-9_]{1,20}|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)"
_ADDRESS = r"(https?://)?([A-Za-z0-9-]+\.)+[A-Za-z]+/\S+"

HandleName = Annotated[
    str,
    Field(
        pattern=rf"^\s*({_HANDLE}|{_ADDRESS})\s*$",
        description="`alice`, `alice.bsky.social`, or the address of a profile",
    ),
    AfterValidator(lambda name: Handle.parse(name).name),
]


_BOT = rf"^\s*({_HANDLE}([-_]{_HANDLE}){{0,2}}|{_ADDRESS})\s*$"
BotName = Annotated[
    str,
    Field(pattern=_BOT, description="One to three handles joined by `-`: `alice`, `alice-bob`"),
    AfterValidator(lambda name: Bot.parse(name).name),
]


# A code (BCP 47), such as `en` or `pt-BR`.
Language = Annotated[str, Field(min_length=2, max_length=35)]


class RetrainOptions(BaseModel):
    """What holds for all bots of one retrain; what is left out comes from the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="Hub id or folder of the base, or `embedded`"
    )
    filter: Literal["modern", "classic"] | None = Field(None, description="Which filter curates")
    languages: tuple[Language, ...] = Field(
        (), description="Keep only these languages, such as `en`"
    )
    push: bool = Field(False, description="Put the release on the Hugging Face Hub as well")
    visibility: Literal["private", "public"] | None = Field(
        None, description="Of the Hub repository, if it is to be other than the settings say"
    )
    gated: Literal["auto", "manual"] | None = Field(
        None, description="Who may download it is decided by a form, or by hand"
    )
    force: bool = Field(False, description="Release even if nothing has changed, or held back")
    start: Literal["auto", "base"] = Field(
        "auto",
        description="What training starts from: the bot's last release where it can, or "
        "always the base",
    )
    training: Spec = Field(Spec(), description="How the bots are trained")


class BotRequest(BaseModel):
    """A bot to retrain, with the files that its posts come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: BotName
    sources: dict[str, str] = Field(
        default_factory=dict,
        description="For each handle where posts come from first: a file, or `community_archive`, "
        "`x_api`, `bluesky`",
    )
    options: RetrainOptions | None = Field(
        None, description="Its own options, instead of those of the batch"
    )

    @field_validator("sources")
    @classmethod
    def _sources(cls, sources: dict[str, str]) -> dict[str, str]:
        return {Handle.parse(handle).name: path for handle, path in sources.items()}

    @property
    def bot(self) -> Bot:
        """The bot of this name."""
        return Bot.parse(self.name)


def request_of(entry: Entry) -> BotRequest:
    """What a bot of the registry is retrained with."""
    options = RetrainOptions(
        base=entry.base,
        filter=entry.filter,
        languages=entry.languages,
        push=entry.push,
        visibility=entry.visibility,
        gated=entry.gated,
        training=entry.spec,
    )
    return BotRequest(name=entry.bot.name, sources=entry.sources, options=options)
