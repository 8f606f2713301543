"""The registry: a YAML file with defaults and bots, checked as a whole before it is used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml  # type: ignore[import-untyped]  # its types are a package of their own
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from tasks.core.bounded_yaml import load_yaml
from tasks.core.errors import BadInput
from tasks.core.names import Bot, Handle
from tasks.core.records import Spec
from tasks.core.validation import in_words

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_CADENCE = re.compile(r"([1-9]\d{0,3})([hdw])")
_SHOWN = 20  # errors in one message
_LONGEST_SHOWN = 60  # characters of what is no bot
_TRAINING = frozenset(field.name for field in fields(Spec))


def parse_cadence(text: object) -> timedelta:
    """The time between two retrains, from `12h`, `1d` or `2w`. Raises ValueError."""
    if isinstance(text, timedelta):
        return text
    found = _CADENCE.fullmatch(str(text))
    if found is None:
        raise ValueError(f"{str(text)[:40]!r} is not a cadence: write it as 12h, 1d or 2w")
    return int(found[1]) * _UNITS[found[2]]


class Entry(BaseModel):
    """A bot of the registry, with the defaults filled in.

    source: of all its handles, or of each by its name: `community_archive`, `x_api`,
        `bluesky`, or a file; None: posts that were imported.
    cadence: the time between two retrains. priority: higher ones come first.
    training: fields of `Spec` that differ from the defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    handles: tuple[str, ...]
    source: str | dict[str, str] | None = None
    cadence: Annotated[timedelta, BeforeValidator(parse_cadence)] = timedelta(days=7)
    priority: int = 0
    base: str | None = None
    filter: Literal["modern", "classic"] | None = None
    languages: tuple[str, ...] = ()
    push: bool = False
    visibility: Literal["private", "public"] | None = None
    gated: Literal["auto", "manual"] | None = None
    training: dict[str, Any] = Field(default_factory=dict)

    @field_validator("source")
    @classmethod
    def _by_handle(cls, source: str | dict[str, str] | None) -> str | dict[str, str] | None:
        if not isinstance(source, dict):
            return source
        return {Handle.parse(name).name: where for name, where in source.items()}

    @model_validator(mode="after")
    def _usable(self) -> Entry:
        names = {handle.name for handle in self.bot.handles}
        if isinstance(self.source, dict) and (strange := sorted(self.source.keys() - names)):
            raise ValueError(f"source: {', '.join(strange)} is not a handle of this bot")
        if unknown := sorted(self.training.keys() - _TRAINING):
            raise ValueError(
                f"training: {', '.join(unknown)} is unknown: choose among "
                f"{', '.join(sorted(_TRAINING))}"
            )
        self.spec  # noqa: B018 - raises for values that are not allowed
        return self

    @property
    def bot(self) -> Bot:
        """The bot of these handles. Raises BadInput, InvalidHandle."""
        return Bot(tuple(sorted({Handle.parse(name) for name in self.handles})))

    @property
    def sources(self) -> dict[str, str]:
        """The source of each handle's posts, by its name; handles without one are left out."""
        if isinstance(self.source, str):
            return dict.fromkeys((handle.name for handle in self.bot.handles), self.source)
        return dict(self.source or {})

    @property
    def spec(self) -> Spec:
        """The training specification. Raises BadInput."""
        try:
            return Spec(**self.training)
        except TypeError as error:
            raise BadInput(f"training: {error}") from error


@dataclass(frozen=True)
class _Fault:
    """One fault in the file; line: counted from 1."""

    line: int
    what: str


def load_registry(path: Path) -> tuple[Entry, ...]:
    """The bots of a registry. Raises BadInput that names every fault with its line."""
    tree, root = load_yaml(path, "registry")
    faults = list(_shape(tree))
    entries: list[Entry] = []
    if not faults:
        defaults, seen = tree.get("defaults") or {}, dict[str, int]()
        for number, given in enumerate(tree["bots"] or ()):
            line = _line(root, ("bots", number))
            try:
                entry = Entry.model_validate({**defaults, **_mapping(given)})
            except ValidationError as error:
                faults += _faults_of(error, root, number)
            except BadInput as error:
                faults.append(_Fault(line, str(error)))
            else:
                name = entry.bot.name
                if (first := seen.setdefault(name, line)) != line:
                    faults.append(_Fault(line, f"@{name} is already in line {first}"))
                entries.append(entry)
    if faults:
        raise BadInput(_report(path, faults))
    return tuple(entries)


def _shape(tree: Any) -> Iterator[_Fault]:
    if not isinstance(tree, dict) or not isinstance(tree.get("bots"), list | None):
        yield _Fault(1, "a registry has `defaults`, a mapping, and `bots`, a list")
        return
    if unknown := sorted(map(str, tree.keys() - {"defaults", "bots"})):
        named = ", ".join(key[:40] for key in unknown[:_SHOWN])
        yield _Fault(1, f"{named} is unknown: there are `defaults` and `bots`")
    if "bots" not in tree:
        yield _Fault(1, "there is no list `bots`")
    if not isinstance(tree.get("defaults") or {}, dict):
        yield _Fault(1, "`defaults` is not a mapping")
    elif "handles" in (tree.get("defaults") or {}):
        yield _Fault(1, "`handles` cannot be a default")


def _mapping(given: Any) -> Mapping[str, Any]:
    if isinstance(given, dict):
        return given
    name = given if isinstance(given, str) and len(given) <= _LONGEST_SHOWN else "alice"
    raise BadInput(f"{str(given)[:_LONGEST_SHOWN]!r} is not a bot: write `- handles: [{name}]`")


def _faults_of(error: ValidationError, root: yaml.Node, number: int) -> Iterator[_Fault]:
    for each in error.errors():
        path = ("bots", number, *each["loc"])
        yield _Fault(_line(root, path), in_words(each, Entry.model_fields))


def _line(node: yaml.Node, path: tuple[Any, ...]) -> int:
    """The line, counted from 1, where the deepest existing part of a path begins."""
    line = node.start_mark.line + 1
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = [value for key, value in node.value if key.value == str(step)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            found = node.value[step : step + 1]
        else:
            found = []
        if not found:
            break
        node = found[0]
        line = node.start_mark.line + 1
    return int(line)


def _report(path: Path, faults: list[_Fault]) -> str:
    shown = [f"{path}:{each.line}: {each.what}" for each in faults[:_SHOWN]]
    more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
    return "; ".join(shown + more)
