"""The names of accounts and of the bots made from them, validated."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from tasks.core.errors import BadInput, InvalidHandle

MAX_HANDLES = 3
MAX_NAME = 200  # characters; files are named after handles and bots, and a name ends at 255
_MAX_HUB_NAME = 96  # characters of a repository's name
_REFUSED_BY_HUB = re.compile(r"--|\.\.|\.git\Z")
_MAX_ADDRESS = 2_000  # characters
_HANDLE = re.compile(r"[a-z0-9_]{1,20}")
# Paths of X that are no profiles.
_PAGES_OF_X = re.compile(
    "compose|explore|hashtag|home|i|intent|login|messages|notifications|search|settings|share"
)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?=[a-z]){_LABEL}")
_MASTODON_JOINT = "__"
_MASTODON_USER = re.compile(r"[a-z0-9_]{1,64}")
# On its own server, or on another that shows it as `@alice@mastodon.social`.
_MASTODON_PAGE = re.compile(r"([^/?#@]+)/(?:@|users/)([a-z0-9_]+)(?:@([^/?#@]+))?(?=[/?#]|\Z)")
# The server in the name of a bot: of all that stands between two `_`, only servers have dots.
_MASTODON_SERVER = re.compile(r"(?<=__)[^_]*\.[^_]*(?=_|\Z)")


@dataclass(frozen=True)
class Handle:
    """An account's name on X, validated and lower-case; each other service has a subclass.

    name: one to twenty of `a-z`, `0-9` and `_`, without the `@`. New names have up to 15
        characters, some of X's first years have more.
    """

    service: ClassVar[str] = "X"
    # No handle of the service contains it, so that it can join several in the name of a bot.
    joint: ClassVar[str] = "-"
    # The web addresses of profiles without `https://www.`, and in the group the handle.
    profile: ClassVar[re.Pattern[str]] = re.compile(r"(?:mobile\.|m\.)?(?:x|twitter)\.com/(.*)")

    name: str

    def __post_init__(self) -> None:
        if not self.is_valid(self.name):
            raise not_a_handle(self.name)

    def __lt__(self, other: Handle) -> bool:
        # Not the dataclass's own: it compares within one kind only.
        return self.name < other.name

    @staticmethod
    def is_valid(name: str) -> bool:
        """Whether an account of the service can have this name."""
        return _HANDLE.fullmatch(name) is not None

    @staticmethod
    def parse(text: str) -> Handle:
        """The handle that a person typed, of the kind that its form shows.

        Outer blanks, one leading `@` and case are ignored. The web address of a profile, or of a
        post below it, is a handle too. Raises InvalidHandle.
        """
        typed = text.strip().lower()
        if is_address(typed):
            return _of_address(typed)
        name = typed.removeprefix("@")
        if is_mastodon(name):
            return MastodonHandle.of(*_user_and_server(name))
        return BlueskyHandle(name) if "." in name else Handle(name)

    @property
    def written(self) -> str:
        """The handle as its service writes it, without a leading `@`; `name` is for files."""
        return self.name

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

    service: ClassVar[str] = "Bluesky"
    joint: ClassVar[str] = "_"
    profile: ClassVar[re.Pattern[str]] = re.compile(r"bsky\.app/profile/(.*)")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.name) > MAX_NAME:
            raise _too_long(self.name)

    @staticmethod
    def is_valid(name: str) -> bool:
        """Whether an account of the service can have this name."""
        return _DOMAIN.fullmatch(name) is not None


@dataclass(frozen=True)
class MastodonHandle(Handle):
    """An account's name on a server of Mastodon, validated and lower-case.

    name: `alice__mastodon.social` for alice@mastodon.social: the form for files, bots and the Hub,
        where no `@` may stand. The account's name consists of `a-z`, `0-9` and `_`, and a server's
        has no `_`, so that the last `__` parts them. No other handle and no bot of others has both
        `__` and a dot. In the server's name `-.-` stands for `--`, and `.-git` at its end for
        `.git`, which the Hub refuses; no domain name contains `-.` or `.-`.
    """

    service: ClassVar[str] = "Mastodon"
    joint: ClassVar[str] = "_"
    profile: ClassVar[re.Pattern[str]] = re.compile(r"(?!)")  # see `_of_mastodon_page`

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.name) > MAX_NAME:
            raise _too_long(self.name)

    @classmethod
    def of(cls, user: str, server: str) -> Self:
        """The handle of `user@server`, both lower-case. Raises InvalidHandle."""
        if not _MASTODON_USER.fullmatch(user) or not _DOMAIN.fullmatch(server):
            raise not_a_handle(f"{user}@{server}")
        return cls(f"{user}{_MASTODON_JOINT}{_safe(server)}")

    @staticmethod
    def is_valid(name: str) -> bool:
        """Whether this is the form of an account of the service."""
        user, server = _user_and_server(name)
        if not _MASTODON_USER.fullmatch(user) or not _DOMAIN.fullmatch(server):
            return False
        return name == f"{user}{_MASTODON_JOINT}{_safe(server)}"

    @property
    def user(self) -> str:
        """The account's name on its server."""
        return _user_and_server(self.name)[0]

    @property
    def server(self) -> str:
        """The server's domain name."""
        return _user_and_server(self.name)[1]

    @property
    def written(self) -> str:
        """The handle as Mastodon writes it, `alice@mastodon.social`."""
        return f"{self.user}@{self.server}"


def is_mastodon(text: str) -> bool:
    """Whether a name is of Mastodon's form, `alice@mastodon.social` or `alice__mastodon.social`."""
    return "@" in text or (_MASTODON_JOINT in text and "." in text)


def _safe(server: str) -> str:
    return re.sub(r"\.git\Z", ".-git", re.sub("(?<=-)(?=-)", ".", server))


def _user_and_server(name: str) -> tuple[str, str]:
    """The parts of a name of Mastodon's form, as the server is called."""
    user, _, safe = name.replace("@", _MASTODON_JOINT).rpartition(_MASTODON_JOINT)
    return user, re.sub(r"\.-git\Z", ".git", re.sub(r"(?<=-)\.(?=-)", "", safe))


# The services whose accounts can be used; a new one is a subclass of Handle in this list.
KINDS: tuple[type[Handle], ...] = (Handle, BlueskyHandle, MastodonHandle)


def is_address(text: str) -> bool:
    """Whether a text would be a web address rather than a name."""
    return "/" in text


def not_a_handle(text: str) -> InvalidHandle:
    """The error about a text that names no account."""
    return InvalidHandle(
        f"{text[:60]!r} is not a handle: use 1 to 20 letters, digits or underscores, a Bluesky "
        "handle such as alice.bsky.social, one of Mastodon such as alice@mastodon.social, or a "
        "profile's address such as https://x.com/alice"
    )


def _too_long(name: str) -> InvalidHandle:
    return InvalidHandle(
        f"{name[:40]!r}… has {len(name)} characters: handles over {MAX_NAME} cannot be used, "
        "since files are named after them"
    )


def _of_address(address: str) -> Handle:
    """The handle in the address of a profile; what follows it, such as a post's, is ignored."""
    if len(address) > _MAX_ADDRESS:
        raise not_a_handle(address)
    page = re.sub(r"^(?:https?://)?(?:www\.)?", "", address)
    for kind in KINDS:
        if found := kind.profile.match(page):
            name = re.split(r"[/?#]", found[1].removeprefix("#!/"))[0].removeprefix("@")
            if kind.is_valid(name) and not (kind is Handle and _PAGES_OF_X.fullmatch(name)):
                return kind(name)
            raise not_a_handle(address)
    if found := _MASTODON_PAGE.match(page):
        return MastodonHandle.of(found[2], found[3] or found[1])
    raise not_a_handle(address)


def _parts(name: str) -> list[str]:
    """The handles that a bot's name, a handle or an address names."""
    typed = name.strip().removeprefix("@")
    if is_address(name):
        return [name]
    if not is_mastodon(typed):
        return name.split(BlueskyHandle.joint if "." in name else Handle.joint)
    typed = typed.replace("@", _MASTODON_JOINT)
    parts, start = [], 0
    for server in _MASTODON_SERVER.finditer(typed):
        parts.append(typed[start : server.end()])
        start = server.end() + len(MastodonHandle.joint)
    return parts if start > len(typed) else [name]


@dataclass(frozen=True, order=True)
class Bot:
    """What is trained: one to three handles of one service, sorted and without repetition."""

    handles: tuple[Handle, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.handles) <= MAX_HANDLES:
            raise BadInput(f"a bot has 1 to {MAX_HANDLES} handles, not {len(self.handles)}")
        if len({type(handle) for handle in self.handles}) > 1:
            mixed = ", ".join(f"@{handle}"[:40] for handle in self.handles)
            services = " and of ".join(sorted({handle.service for handle in self.handles}))
            raise BadInput(f"{mixed}: handles of {services} are mixed: make one bot of each")
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

        Or of the one account that this handle or web address names. Raises BadInput, InvalidHandle.
        """
        return cls(tuple(sorted({Handle.parse(part) for part in _parts(text)})))

    @property
    def name(self) -> str:
        """The handles joined so that `parse` can part them: by `-` for X, and else by `_`."""
        return self.handles[0].joint.join(map(str, self.handles))

    @property
    def hub_name(self) -> str:
        """The name of the bot's repository on the Hub: its own, or a safe one if that is refused.

        The Hub allows 96 characters, no `--`, and no `.git` at the end.
        """
        if len(self.name) <= _MAX_HUB_NAME and not _REFUSED_BY_HUB.search(self.name):
            return self.name
        safe = re.sub(r"\.git\Z", "-git", re.sub("-{2,}", "-", self.name))
        mark = hashlib.sha256(self.name.encode()).hexdigest()[:8]
        return f"{safe[: _MAX_HUB_NAME - len(mark) - 1].rstrip('.-_')}-{mark}"

    def __str__(self) -> str:
        return self.name
