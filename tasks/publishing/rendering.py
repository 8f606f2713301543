"""HTML and CSS to PNG without a browser: pytakumi, which no other module knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core.errors import BadInput
from tasks.publishing.escaping import plain

if TYPE_CHECKING:
    import pytakumi


def render(
    html: str,
    css: str,
    size: tuple[int, int],
    fonts: Sequence[Path] = (),
    images: Mapping[str, bytes] | None = None,
) -> bytes:
    """A PNG of this size, in pixels; the same input gives the same bytes.

    fonts: the first that has a character draws it. images: by the `src` that names them in `html`.
    Raises BadInput for an image that cannot be decoded.
    """
    width, height = size
    try:
        png = _renderer(tuple(fonts)).render_html(
            html, width=width, height=height, stylesheets=[css], images=dict(images or {})
        )
    except (RuntimeError, ValueError) as error:
        raise BadInput(f"a picture cannot be drawn: {plain(str(error), 160)}") from error
    return bytes(png)


@lru_cache(maxsize=2)  # with fonts and without
def _renderer(fonts: tuple[Path, ...]) -> pytakumi.Renderer:
    import pytakumi

    renderer = pytakumi.Renderer()
    for font in fonts:
        renderer.register_font(font.read_bytes())
    return renderer
