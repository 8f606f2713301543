"""`huggingtweets site`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deployments import console
from deployments.cli.checks import check_push
from deployments.cli.options import Json
from tasks.core.errors import BadInput
from tasks.core.sizes import counted, human_size

if TYPE_CHECKING:
    from tasks.operations.site_building import Built


def site(
    out: Annotated[
        str, typer.Argument(help="A folder, or hf://spaces/NAMESPACE/NAME; default: the setting")
    ] = "",
    push: Annotated[
        bool, typer.Option("--push", help="Put it on the Hub too, as a static Space")
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Show private bots too; in a folder only")
    ] = False,
    as_json: Json = False,
) -> None:
    """Build pages on which all bots write in the visitor's browser."""
    check_push(push=push)
    from tasks.operations.site_building import build_site, check_place
    from tasks.operations.site_places import own_space, place_of
    from tasks.storage import storage_root

    places = [place_of(out, private=private)] if out or not push else []
    if push and own_space() not in places:
        places.append(own_space())
    if push and private and not out:
        raise BadInput("--private shows private bots in a folder: name one")
    for place in places:
        check_place(place)
    built = [build_site(storage_root(), place) for place in places]
    if as_json:
        console.print_json(built)
        return
    for each in built:
        _print(each)
    if any(not each.bots for each in built) and not private:
        console.note(
            "Public bots are shown only; `--private` shows the others in a folder of yours."
        )


def _print(built: Built) -> None:
    place = console.shown_path(built.place)
    console.say(
        f"{place}: {counted(built.bots, 'bot')}, {counted(built.files, 'file')} of "
        f"{human_size(built.bytes)}; {built.written} written, {built.removed} removed"
    )
    if built.bots and not built.place.startswith("hf://"):
        console.note(f"See it: python3 -m http.server --directory {place} --bind 127.0.0.1 8000")
