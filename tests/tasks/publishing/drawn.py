"""Pictures to be avatars, made here."""

from __future__ import annotations

import struct
import zlib

from tasks.publishing.png_rendering import render_png


def drawn_png(width: int, height: int, colour: tuple[int, int, int] = (255, 0, 0)) -> bytes:
    """A PNG of one colour."""
    row = b"\0" + bytes(colour) * width
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(row * height)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in chunks)


def drawn_as(form: str, width: int, height: int) -> bytes:
    """A picture as `jpeg` or `webp`."""
    import pytakumi

    node = pytakumi.image_node(drawn_png(width, height), width=width, height=height)
    return bytes(pytakumi.Renderer().render(node, width=width, height=height, format=form))


def as_drawn(png: bytes) -> bytes:
    """What an avatar of 240 × 240 looks like when it is drawn once more."""
    css = ".a { display: flex; width: 240px; height: 240px }"
    return render_png('<div class="a"><img src="a"></div>', css, (240, 240), images={"a": png})


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG."""
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
