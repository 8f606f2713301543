"""What a retrain is asked for: the shape of the forms in the UI and of the command's options."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tasks.names import Bot, Handle
from tasks.records import Spec


class BotRequest(BaseModel):
    """A bot to retrain, with the files that its posts come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        description="One to three handles joined by `-`, such as `alice` or `alice-bob`"
    )
    sources: dict[str, str] = Field(
        default_factory=dict,
        description="For each handle where posts come from first: a file, `x_api` or `bluesky`",
    )

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return Bot.parse(name).name

    @field_validator("sources")
    @classmethod
    def _sources(cls, sources: dict[str, str]) -> dict[str, str]:
        return {Handle.parse(handle).name: path for handle, path in sources.items()}

    @property
    def bot(self) -> Bot:
        """The bot of this name."""
        return Bot.parse(self.name)


class RetrainOptions(BaseModel):
    """What holds for all bots of one retrain; what is left out comes from the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str | None = Field(None, description="Hub id or folder of the base, or `embedded`")
    filter: Literal["modern", "classic"] | None = Field(None, description="Which filter curates")
    languages: tuple[str, ...] = Field((), description="Keep only these languages, such as `en`")
    push: bool = Field(False, description="Put the release on the Hugging Face Hub as well")
    force: bool = Field(False, description="Release again even where nothing has changed")
    training: Spec = Field(Spec(), description="How the bots are trained")
