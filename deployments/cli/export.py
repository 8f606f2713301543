"""`huggingtweets export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployments import console
from deployments.cli.checks import check_base, released_bot
from deployments.cli.options import BotName, OwnBase
from tasks.core.errors import BadInput
from tasks.core.gguf_kinds import GgufKind
from tasks.core.sizes import human_size


def export(
    bot: BotName,
    folder: Annotated[
        Path | None, typer.Argument(help="Where to; default: a folder of the bot's name here")
    ] = None,
    gguf: Annotated[
        GgufKind, typer.Option("--gguf", help="8 bits a weight, or 16 as it was trained")
    ] = GgufKind.Q8_0,
    base: OwnBase = None,
) -> None:
    """Write a bot as GGUF: for llama.cpp, Ollama, LM Studio, phones."""
    check_base(base)
    storage, release = released_bot(bot)
    target = folder or Path(release.bot.name)
    if target.exists() and not target.is_dir():
        raise BadInput(f"{target}: a file of this name is there: name a folder")
    from tasks.operations.gguf_export import export_gguf
    from tasks.storage.storage_errors import kind_of

    console.note(f"Converting release {release.revision} …")
    try:
        file, modelfile = export_gguf(storage, release, gguf, target, base)
    except OSError as error:
        raise kind_of(error)(f"{target}: {error.strerror}: name another folder") from error
    console.say(f"{file}  {human_size(file.stat().st_size)}")
    console.say(f"{modelfile}")
    console.note(
        f"Try it: llama-completion -m {file} -no-cnv -p 'My dream is'\n"
        f"    or: ollama create {release.bot} -f {modelfile} && ollama run {release.bot}"
    )
