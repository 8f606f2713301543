"""Checks an untrusted picture and reduces it to its pixels, before anything decodes it.

A decoder may trust what a file says of itself: 1 MB of a colour profile unpacks to 1 GB, and a
picture can have any number of frames or scans. So only what the pixels need is kept (no profiles,
EXIF, texts or animations), and what would take more than its size to decode is refused.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from tasks.core.errors import BadInput

# Formats of avatars. Without GIF and animated WebP, since a small file can hold any number of
# frames, and without SVG, which is a program.
TYPES = ("image/png", "image/jpeg", "image/webp")
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_WEBP_FRAMES = (b"VP8 ", b"VP8L")
_WEBP_ALPHA, _WEBP_ANIMATED = 0x10, 0x02  # flags of VP8X
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_SCAN, _END = 0xDA, 0xD9
_COMMENT, _ADOBE = 0xFE, 0xEE  # the latter says which colours a JPEG has
_APPLICATION = frozenset(range(0xE0, 0xF0))
_MOST_SCANS = 100  # each goes over the whole picture; encoders make about ten
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height in pixels of a PNG, JPEG or still WebP. Raises BadInput for all else."""
    return _checked(data)[0]


def pixels_only(data: bytes) -> bytes:
    """The same picture, without all that its pixels do not need. Raises BadInput as `size_of`."""
    return _checked(data)[1]


def _checked(data: bytes) -> tuple[tuple[int, int], bytes]:
    try:
        if data.startswith(_PNG):
            return _png(data)
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
    except (struct.error, IndexError) as error:
        raise BadInput("the picture is truncated") from error
    raise BadInput("not a PNG, JPEG or still WebP")


def _png(data: bytes) -> tuple[tuple[int, int], bytes]:
    chunks = [(kind, body) for kind, body in _png_chunks(data) if kind in _PNG_CHUNKS]
    kinds = [kind for kind, _ in chunks]
    if kinds[:1] != [b"IHDR"] or any(kinds.count(kind) > 1 for kind in (b"IHDR", b"PLTE")):
        raise BadInput("the PNG is damaged")
    width, height = struct.unpack_from(">II", chunks[0][1])
    return (width, height), _PNG + b"".join(_png_chunk(*chunk) for chunk in chunks)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place, kind = len(_PNG), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + length]
        if len(body) != length:
            raise BadInput("the picture is truncated")
        yield kind, body
        place += 12 + length


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _jpeg(data: bytes) -> tuple[tuple[int, int], bytes]:
    sizes: list[tuple[int, int]] = []
    kept, scans = [data[:2]], 0
    for marker, segment in _jpeg_segments(data):
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", segment, 5)
            sizes.append((width, height))
        scans += marker == _SCAN
        if marker == _ADOBE or not (marker in _APPLICATION or marker == _COMMENT):
            kept.append(segment)
    if len(sizes) != 1 or scans > _MOST_SCANS:
        raise BadInput(f"the JPEG has {len(sizes)} frames and {scans} scans")
    return sizes[0], b"".join(kept)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each marker with its segment, the marker included; a scan's data is part of its segment."""
    place, marker = 2, 0
    while marker != _END and place < len(data):
        if data[place] != 0xFF:
            raise BadInput("the JPEG is damaged")
        marker = data[place + 1]
        if marker == 0xFF:  # padding
            place += 1
            continue
        end = place + 2
        if marker not in _JPEG_ALONE and marker != _END:
            end += struct.unpack_from(">H", data, end)[0]
        if marker == _SCAN:
            found = _END_OF_SCAN.search(data, end)
            end = found.start() if found else len(data)
        if end > len(data):
            raise BadInput("the picture is truncated")
        yield marker, data[place:end]
        place = end


def _webp(data: bytes) -> tuple[tuple[int, int], bytes]:
    chunks = list(_webp_chunks(data))
    frames = [chunk for chunk in chunks if chunk[0] in _WEBP_FRAMES]
    extended = next((body for kind, body in chunks if kind == b"VP8X"), b"\0")
    if len(frames) != 1 or extended[0] & _WEBP_ANIMATED:
        raise BadInput("not a PNG, JPEG or still WebP")
    width, height = _webp_size(*frames[0])
    if alpha := [chunk for chunk in chunks if chunk[0] == b"ALPH"][:1]:
        sides = b"".join((side - 1).to_bytes(3, "little") for side in (width, height))
        frames = [(b"VP8X", bytes((_WEBP_ALPHA, 0, 0, 0)) + sides), *alpha, *frames]
    kept = b"WEBP" + b"".join(_webp_chunk(*chunk) for chunk in frames)
    return (width, height), b"RIFF" + struct.pack("<I", len(kept)) + kept


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place < len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        body = data[place + 8 : place + 8 + length]
        if len(body) != length:
            raise BadInput("the picture is truncated")
        yield kind, body
        place += 8 + length + length % 2


def _webp_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(body)) + body + b"\0" * (len(body) % 2)


def _webp_size(kind: bytes, frame: bytes) -> tuple[int, int]:
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", frame, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", frame, 6)
    return width & 0x3FFF, height & 0x3FFF
