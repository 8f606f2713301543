"""The registry: a YAML file with defaults and bots, checked as a whole before any of it is used."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from tasks.errors import BadInput
from tasks.names import BlueskyHandle, Bot, Handle
from tasks.records import Spec
from tasks.registry.marked_yaml import MarkedYaml, Trouble, read_yaml

X_API, BLUESKY = "x_api", "bluesky"
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_CADENCE = re.compile(r"([1-9]\d{0,3})([hdw])")
_SPEC = TypeAdapter(Spec)
Given, Made = TypeVar("Given"), TypeVar("Made")


def parse_cadence(text: object) -> timedelta:
    """The time between two retrains, written as `12h`, `1d` or `2w`. Raises ValueError."""
    if isinstance(text, timedelta):
        return text
    found = _CADENCE.fullmatch(str(text))
    if found is None:
        raise ValueError(f"{str(text)[:40]!r} is no cadence: write it as 12h, 1d or 2w")
    return int(found[1]) * _UNITS[found[2]]


def _collected(check: Callable[[Given], Made]) -> Callable[[Given], Made]:
    """The check, with errors of a kind that pydantic collects instead of stopping at the first."""

    def checked(given: Given) -> Made:
        try:
            return check(given)
        except BadInput as error:
            raise ValueError(str(error)) from error

    return checked


def _handle(text: str) -> str:
    return Handle.parse(text).name


def _bot(handles: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(handles)) < len(handles):
        raise BadInput("a handle stands twice")
    Bot(tuple(sorted(map(Handle.parse, handles))))
    return handles


def _training(given: dict[str, Any]) -> dict[str, Any]:
    spec = _SPEC.validate_python(given)
    return {name: getattr(spec, name) for name in given}


def _source(given: object) -> str | dict[str, str] | None:
    if isinstance(given, dict) and all(isinstance(value, str) for value in given.values()):
        return {_handle(str(name)): _known(place) for name, place in given.items()}
    if given is None:
        return None
    if isinstance(given, str):
        return _known(given)
    raise BadInput("write x_api, bluesky, a file, or one of these for each handle")


def _known(place: str) -> str:
    """A service, or what looks like a file: a service's name with a typo does not."""
    if place in (X_API, BLUESKY) or "/" in place or "." in place:
        return place
    raise BadInput(f"{place[:40]!r} is not {X_API}, {BLUESKY} or a file such as archives/alice.zip")


class Entry(BaseModel):
    """A bot of the registry, with the defaults filled in.

    source: of all its handles, or of each by its name: `x_api`, `bluesky`, or a file; left out,
        the bot lives on what is imported.
    cadence: the time between two retrains. priority: the higher goes first.
    training: fields of `Spec` that are to be other than the defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    handles: Annotated[
        tuple[Annotated[str, AfterValidator(_collected(_handle))], ...],
        AfterValidator(_collected(_bot)),
    ]
    source: Annotated[str | dict[str, str] | None, PlainValidator(_collected(_source))] = None
    cadence: Annotated[timedelta, BeforeValidator(parse_cadence)] = timedelta(days=7)
    priority: int = 0
    base: str | None = None
    filter: Literal["modern", "classic"] | None = None
    languages: tuple[str, ...] = ()
    push: bool = False
    visibility: Literal["private", "public"] | None = None
    gated: Literal["auto", "manual"] | None = None
    training: Annotated[dict[str, Any], AfterValidator(_collected(_training))] = Field(
        default_factory=dict
    )

    @field_validator("source")
    @classmethod
    def _fits(cls, source: Any, info: ValidationInfo) -> Any:
        """Refuse what fits no handle of the bot; files are found from the registry's folder."""
        handles = [Handle.parse(name) for name in info.data.get("handles", ())]
        given = source if isinstance(source, dict) else {}
        if handles and (strange := sorted(given.keys() - {handle.name for handle in handles})):
            raise ValueError(f"{', '.join(strange)} is no handle of this bot")
        for handle in handles:
            _refuse_wrong_service(handle, given.get(handle.name) if given else source)
        folder = info.context
        if isinstance(source, dict):
            return {name: _found_from(folder, place) for name, place in source.items()}
        return source if source is None else _found_from(folder, source)

    @cached_property
    def bot(self) -> Bot:
        """The bot of these handles."""
        return Bot(tuple(sorted(map(Handle.parse, self.handles))))

    @property
    def sources(self) -> dict[str, str]:
        """Where the posts of each handle come from first."""
        if isinstance(self.source, str):
            return dict.fromkeys((handle.name for handle in self.bot.handles), self.source)
        return dict(self.source or {})

    @property
    def spec(self) -> Spec:
        """How it is trained."""
        return Spec(**self.training)


def _refuse_wrong_service(handle: Handle, place: str | None) -> None:
    right = BLUESKY if isinstance(handle, BlueskyHandle) else X_API
    if place in (X_API, BLUESKY) and place != right:
        raise ValueError(f"{place} does not know @{handle}: use {right}")


def _found_from(folder: Path | None, place: str) -> str:
    """The place; of a file, its path. Workers run in folders of their own."""
    if folder is None or place in (X_API, BLUESKY):
        return place
    return str(folder / Path(place).expanduser())


def load_registry(path: Path) -> tuple[Entry, ...]:
    """The bots of a registry. Raises BadInput that names every fault with its line."""
    text = read_yaml(path)
    troubles = [*text.repeated, *_shape(text)]
    entries: list[Entry] = []
    if isinstance(text.tree, dict) and isinstance(text.tree.get("bots"), list):
        folder = path.absolute().parent
        defaults, wrong = _defaults(text, folder)
        troubles += wrong
        for number, given in enumerate(text.tree["bots"]):
            try:
                whole = {**defaults, **_mapping(given)}
                entries.append(Entry.model_validate(whole, context=folder))
            except ValidationError as error:
                troubles += _told(error, text, "bots", number)
            except BadInput as error:
                troubles.append(Trouble(text.line("bots", number), str(error)))
            else:
                troubles += _twice(text, entries[-1], number, seen)
    if troubles:
        raise BadInput(_report(path, troubles))
    return tuple(entries)
