"""The registry: a YAML file with defaults and bots, checked as a whole before any of it is used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml  # type: ignore[import-untyped]  # its types are a package of their own
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from tasks.core.errors import BadInput
from tasks.core.names import Bot, Handle
from tasks.core.records import Spec

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_CADENCE = re.compile(r"([1-9]\d{0,3})([hdw])")
_SHOWN = 20  # errors at once; a file with more has another fault than these
_TRAINING = frozenset(field.name for field in fields(Spec))


def parse_cadence(text: object) -> timedelta:
    """The time between two retrains, written as `12h`, `1d` or `2w`. Raises ValueError."""
    if isinstance(text, timedelta):
        return text
    found = _CADENCE.fullmatch(str(text))
    if found is None:
        raise ValueError(f"{str(text)[:40]!r} is no cadence: write it as 12h, 1d or 2w")
    return int(found[1]) * _UNITS[found[2]]


class Entry(BaseModel):
    """A bot of the registry, with the defaults filled in.

    source: of all its handles, or of each by its name: `x_api`, `bluesky`, or a file; left out,
        the bot lives on what is imported.
    cadence: the time between two retrains. priority: the higher goes first.
    training: fields of `Spec` that are to be other than the defaults.
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

    @model_validator(mode="after")
    def _usable(self) -> Entry:
        names = {handle.name for handle in self.bot.handles}
        if isinstance(self.source, dict) and (strange := sorted(self.source.keys() - names)):
            raise ValueError(f"source: {', '.join(strange)} is no handle of this bot")
        if unknown := sorted(self.training.keys() - _TRAINING):
            raise ValueError(
                f"training: {', '.join(unknown)} is unknown: choose among "
                f"{', '.join(sorted(_TRAINING))}"
            )
        self.spec  # noqa: B018 - its values are checked by making it
        return self

    @property
    def bot(self) -> Bot:
        """The bot of these handles. Raises BadInput, InvalidHandle."""
        return Bot(tuple(sorted({Handle.parse(name) for name in self.handles})))

    @property
    def sources(self) -> dict[str, str]:
        """Where the posts of each handle come from first."""
        if isinstance(self.source, str):
            return dict.fromkeys((handle.name for handle in self.bot.handles), self.source)
        return dict(self.source or {})

    @property
    def spec(self) -> Spec:
        """How it is trained. Raises BadInput."""
        try:
            return Spec(**self.training)
        except TypeError as error:
            raise BadInput(f"training: {error}") from error


@dataclass(frozen=True)
class _Trouble:
    """One thing that is wrong; line: counted from 1."""

    line: int
    what: str


def load_registry(path: Path) -> tuple[Entry, ...]:
    """The bots of a registry. Raises BadInput that names every fault with its line."""
    root = _composed(path)
    tree = _tree(path)
    troubles = list(_shape(tree))
    entries: list[Entry] = []
    if not troubles:
        defaults, seen = tree.get("defaults") or {}, dict[str, int]()
        for number, given in enumerate(tree["bots"] or ()):
            line = _line(root, ("bots", number))
            try:
                entry = Entry.model_validate({**defaults, **_mapping(given)})
            except ValidationError as error:
                troubles += _told(error, root, number)
            except BadInput as error:
                troubles.append(_Trouble(line, str(error)))
            else:
                name = entry.bot.name
                if (first := seen.setdefault(name, line)) != line:
                    troubles.append(_Trouble(line, f"@{name} stands in line {first} already"))
                entries.append(entry)
    if troubles:
        raise BadInput(_report(path, troubles))
    return tuple(entries)


def _composed(path: Path) -> yaml.Node:
    try:
        return yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: the registry cannot be read ({error})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error)
        raise BadInput(f"{path}{where}: the registry is no YAML ({reason}): mend it") from error


def _tree(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - it is a safe one


# In C where it is there: thousands of bots are then read in a fraction of a second.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _shape(tree: Any) -> Iterator[_Trouble]:
    if not isinstance(tree, dict) or not isinstance(tree.get("bots"), list | None):
        yield _Trouble(1, "a registry has `defaults`, a mapping, and `bots`, a list")
        return
    if unknown := sorted(map(str, tree.keys() - {"defaults", "bots"})):
        yield _Trouble(1, f"{', '.join(unknown)} is unknown: there are `defaults` and `bots`")
    if "bots" not in tree:
        yield _Trouble(1, "there is no list `bots`")
    if not isinstance(tree.get("defaults") or {}, dict):
        yield _Trouble(1, "`defaults` is no mapping")
    elif "handles" in (tree.get("defaults") or {}):
        yield _Trouble(1, "`handles` cannot be a default")


def _mapping(given: Any) -> Mapping[str, Any]:
    if isinstance(given, dict):
        return given
    raise BadInput(f"{str(given)[:60]!r} is no bot: write `- handles: [alice]`")


def _told(error: ValidationError, root: yaml.Node, number: int) -> Iterator[_Trouble]:
    for each in error.errors():
        path = ("bots", number, *each["loc"])
        field = ".".join(str(step) for step in each["loc"] if isinstance(step, str | int))
        message = each["msg"].removeprefix("Value error, ")
        yield _Trouble(_line(root, path), f"{field}: {message}" if field else message)


def _line(node: yaml.Node, path: tuple[Any, ...]) -> int:
    """The line in which the deepest part of the path that exists begins, counted from 1."""
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


def _report(path: Path, troubles: list[_Trouble]) -> str:
    shown = [f"{path}:{each.line}: {each.what}" for each in troubles[:_SHOWN]]
    more = [f"and {len(troubles) - _SHOWN} more"] if len(troubles) > _SHOWN else []
    return "; ".join(shown + more)
