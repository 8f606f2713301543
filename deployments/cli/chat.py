"""`huggingtweets chat`: starts in, posts out, with the model kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments import console
from deployments.cli.checks import check_base, released_bot
from deployments.cli.common import quick_loading
from deployments.cli.generate import (
    check_draw,
    drawn_seed,
    preview_here,
    print_posts,
    refuse_undecodable,
)
from deployments.cli.options import (
    SEEDS,
    BotName,
    KeepMentions,
    MaxTokens,
    OwnBase,
    Seed,
    Temperature,
    TopP,
)
from tasks.core.errors import BadInput

if TYPE_CHECKING:
    from tasks.generation.release_writer import Post

_HISTORY = 1_000  # lines
_HELP = """\
Type the start of a post, or nothing, and press Enter.
  /number N       posts for each start
  /temperature T  1 is the usual; lower is tamer
  /top-p P        0.95 is the usual
  /seed N         of the next posts; the ones after take the numbers that follow
  /help           this
  /quit           or Ctrl-D"""


@dataclass
class Chat:
    """A conversation: how posts are drawn until it is changed.

    write: `ReleaseWriter.posts`; options: of it, beside how tokens are drawn.
    """

    write: Callable[..., Iterable[Post]]
    number: int
    temperature: float
    top_p: float
    seed: int
    options: dict[str, Any] = field(default_factory=dict)

    def answer(self, line: str) -> bool:
        """Obey a command, or print posts; False at the end. Raises BadInput."""
        if line.startswith("/") and line[1:2] != "/":
            name, _, value = line[1:].partition(" ")
            return self._obey(name.lower(), value.strip())
        refuse_undecodable(line)
        from tasks.generation.decoding import Draw

        drawing = Draw(self.temperature, self.top_p)
        seed, self.seed = self.seed, (self.seed + 1) % SEEDS
        start = line.removeprefix("/") if line.startswith("//") else line
        preview = preview_here()
        options = {**self.options, "show": preview.show if preview else None}
        print_posts(self.write(start, self.number, seed, drawing=drawing, **options), preview)
        return True

    def _obey(self, name: str, value: str) -> bool:
        if name in ("quit", "exit", "q"):
            return False
        if name == "seed":
            self.seed = _number(int, value, "/seed", 0, SEEDS - 1)
        elif name == "number":
            self.number = _number(int, value, "/number", 1, 1000)
        elif name == "temperature":
            self.temperature = _number(float, value, "/temperature", 0.01, 100)
        elif name == "top-p":
            top_p = _number(float, value, "/top-p", 0, 1)
            check_draw(self.temperature, top_p)
            self.top_p = top_p
        elif name == "help":
            console.say(_HELP)
        else:
            raise BadInput(f"/{name} is unknown; /help lists what there is")
        return True


def _number(kind: Callable[[str], Any], text: str, name: str, least: float, most: float) -> Any:
    try:
        value = kind(text)
    except ValueError:
        raise BadInput(f"{name} {text}: give a number, such as {name} 1") from None
    if not least <= value <= most:
        raise BadInput(f"{name} {text}: use a number from {least:g} to {most:g}")
    return value


def chat(
    bot: BotName,
    number: Annotated[int, typer.Option("-n", min=1, max=1000, help="Posts for each start")] = 1,
    temperature: Temperature = 1.0,
    top_p: TopP = 0.95,
    seed: Seed = None,
    max_tokens: MaxTokens = 160,
    keep_mentions: KeepMentions = False,
    base: OwnBase = None,
) -> None:
    """Type starts of posts, and read how the bot goes on."""
    check_draw(temperature, top_p)
    check_base(base)
    storage, release = released_bot(bot)
    console.note(f"Loading @{release.bot} …")
    with quick_loading():
        from tasks.generation.release_writer import ReleaseWriter

    chosen = drawn_seed() if seed is None else seed
    options = {"max_tokens": max_tokens, "keep_mentions": keep_mentions}
    with storage.folder(release.folder) as folder:
        with quick_loading():
            writer = ReleaseWriter(folder, base)
        console.note("Type the start of a post; /help lists commands, Ctrl-D ends.")
        talk(Chat(writer.posts, number, temperature, top_p, chosen, options), f"@{release.bot}> ")


def talk(conversation: Chat, prompt: str) -> None:
    """Read lines until their end; a wrong one is explained, Ctrl-C ends the posts being written."""
    with _line_editing():
        while True:
            try:
                line = input(prompt)
            except EOFError:
                console.note("")
                return
            except KeyboardInterrupt:
                console.note("")
                continue
            try:
                if not conversation.answer(line):
                    return
            except BadInput as error:
                console.complain(str(error))
            except KeyboardInterrupt:
                console.note("")


@contextmanager
def _line_editing() -> Iterator[None]:
    """Arrow keys and history in `input`, kept between conversations, where the system has it."""
    try:
        import readline
    except ImportError:
        yield
        return
    from tasks.core.settings import settings

    file: Path = settings().cache / "chat-history"
    with suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(_HISTORY)
    try:
        yield
    finally:
        with suppress(OSError):  # history is a comfort, and the cache may be read-only
            file.parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(file)
