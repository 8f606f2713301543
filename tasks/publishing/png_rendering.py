"""Renders HTML and CSS to PNG without a browser. The only module that knows pytakumi."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core.errors import BadInput
from tasks.publishing.escaping import plain

if TYPE_CHECKING:
    import pytakumi


def render_png(
    html: str,
    css: str,
    size: tuple[int, int],
    fonts: Sequence[Path] = (),
    images: Mapping[str, bytes] | None = None,
) -> bytes:
    """A PNG of this size in pixels; equal input gives equal bytes.

    fonts: by preference; a character is drawn with the first font that has it.
    images: by their `src` in `html`.
    Raises BadInput for an image that cannot be decoded.
    """
    width, height = size
    try:
        png = _renderer(tuple(fonts)).render_html(
            html, width=width, height=height, stylesheets=[css], images=dict(images or {})
        )
    except (RuntimeError, ValueError) as error:
        raise BadInput(f"cannot draw the picture: {plain(str(error), 160)}") from error
    return bytes(png)


@lru_cache(maxsize=2)  # with fonts and without
def _renderer(fonts: tuple[Path, ...]) -> pytakumi.Renderer:
    import pytakumi

    renderer = pytakumi.Renderer()
    for font in fonts:
        renderer.register_font(font.read_bytes())
    return renderer
