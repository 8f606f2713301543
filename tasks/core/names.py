"""The names of accounts and of the bots made from them, validated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

from tasks.core.errors import BadInput, InvalidHandle

MAX_HANDLES = 3
_X_JOINT, _BLUESKY_JOINT = "-", "_"
MAX_NAME = 200  # characters; files are named after handles and bots, and a name ends at 255
_HANDLE = re.compile(r"[a-z0-9_]{1,15}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?=[a-z]){_LABEL}")


@dataclass(frozen=True)
class Handle:
    """An account's name on X, validated and lower-case.

    name: one to fifteen of `a-z`, `0-9` and `_`, without the `@`.
    """

    name: str

    def __post_init__(self) -> None:
        if not self._is_valid(self.name):
            raise InvalidHandle(
                f"{self.name[:40]!r} is not a handle: use 1 to 15 letters, digits or underscores, "
                "or a Bluesky handle such as alice.bsky.social"
            )

    def __lt__(self, other: Handle) -> bool:
        # Not the dataclass's own: it compares within one kind only.
        return self.name < other.name

    @staticmethod
    def _is_valid(name: str) -> bool:
        return _HANDLE.fullmatch(name) is not None

    @staticmethod
    def parse(text: str) -> Handle:
        """The handle that a person typed; outer blanks, one leading `@` and case are ignored.

        A name with a dot is a BlueskyHandle. Raises InvalidHandle.
        """
        name = text.strip().removeprefix("@").lower()
        return BlueskyHandle(name) if "." in name else Handle(name)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: Any) -> Any:
        """How pydantic reads a dumped handle, as the kind that it was."""
        from pydantic_core import core_schema  # slow to import, and only pydantic needs it

        fields = {"name": core_schema.typed_dict_field(core_schema.str_schema())}
        revived = core_schema.no_info_after_validator_function(
            lambda dumped: Handle.parse(dumped["name"]), core_schema.typed_dict_schema(fields)
        )
        return core_schema.union_schema([core_schema.is_instance_schema(Handle), revived])

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class BlueskyHandle(Handle):
    """An account's name on Bluesky, validated and lower-case.

    name: a domain name of at least two labels, without the `@`. A label consists of `a-z`, `0-9`
        and, inside, `-`, so that the name is safe as the name of a file. At most 200 characters:
        longer names are valid on Bluesky, but too long for files.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.name) > MAX_NAME:
            raise InvalidHandle(
                f"{self.name[:40]!r}… has {len(self.name)} characters: handles over {MAX_NAME} "
                "cannot be used, since files are named after them"
            )

    @staticmethod
    def _is_valid(name: str) -> bool:
        return _DOMAIN.fullmatch(name) is not None


@dataclass(frozen=True, order=True)
class Bot:
    """What is trained: one to three handles of one service, sorted and without repetition."""

    handles: tuple[Handle, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.handles) <= MAX_HANDLES:
            raise BadInput(f"a bot has 1 to {MAX_HANDLES} handles, not {len(self.handles)}")
        if len({type(handle) for handle in self.handles}) > 1:
            mixed = ", ".join(f"@{handle}"[:40] for handle in self.handles)
            raise BadInput(f"{mixed}: handles of X and of Bluesky are mixed: make one bot of each")
        if list(self.handles) != sorted(set(self.handles)):
            raise BadInput(f"the handles of {self.name} must be sorted and different")
        if len(self.name) > MAX_NAME:
            raise BadInput(
                f"{self.name[:40]!r}… has {len(self.name)} characters, over {MAX_NAME}: make a bot "
                "of fewer handles"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """The bot with this name, as `alice`, `bob-alice` or `alice.bsky.social_bob.example.com`.

        Raises BadInput, InvalidHandle.
        """
        joint = _BLUESKY_JOINT if "." in text else _X_JOINT
        return cls(tuple(sorted({Handle.parse(part) for part in text.split(joint)})))

    @property
    def name(self) -> str:
        """The handles joined by a character that none contains: `-` for X, `_` for Bluesky."""
        is_bluesky = isinstance(self.handles[0], BlueskyHandle)
        return (_BLUESKY_JOINT if is_bluesky else _X_JOINT).join(map(str, self.handles))

    def __str__(self) -> str:
        return self.name
