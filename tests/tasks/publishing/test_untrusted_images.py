"""What is decoded of a stranger's picture: its pixels, at a cost that its size bounds."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tasks.core.errors import BadInput
from tasks.publishing.avatars import redrawn
from tasks.publishing.untrusted_images import pixels_only, size_of
from tests.tasks.publishing.drawn import drawn_as, drawn_png, png_chunk

MEGABYTE = 1 << 20
EXIF, XMP, PROFILE = b"Exif\0\0 where it was taken", b"who took it", b"a colour profile"
DRAWS = """
import re, resource, sys, time
from pathlib import Path
from tasks.publishing.avatars import redrawn
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
redrawn(Path(sys.argv[1]).read_bytes())
# Not `ru_maxrss`, which begins with that of the process that has started this one.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(int(peak[1]) >> 10, time.process_time())
"""


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        struct.pack("<4sI", kind, len(data)) + data + b"\0" * (len(data) % 2)
        for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def jpeg_segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def frame_of(data: bytes) -> tuple[bytes, bytes]:
    """The only chunk of a WebP that we have drawn."""
    kind, length = struct.unpack_from("<4sI", data, 12)
    return kind, data[20 : 20 + length]


def unpacks_to(size: int) -> bytes:
    """What zlib unpacks to so many zeros."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(size // MEGABYTE)) + (
        packer.flush()
    )


VP8 = b"\0" * 6 + struct.pack("<HH", 7 | 0x4000, 9)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (webp((b"VP8 ", VP8)), (7, 9)),
        (webp((b"VP8X", b"\0" * 4 + b"\6\0\0\10\0\0"), (b"VP8 ", VP8)), (7, 9)),
        (webp((b"VP8X", b"\0" * 10), (b"VP8 ", VP8)), (7, 9)),  # what is decoded counts
        (b"\xff\xd8\xff\x01\xff\xff\xe0\0\4\0\0\xff\xc2\0\x0b\x08\0\x09\0\x07\3\0\0\0", (7, 9)),
        (webp((b"VP8X", b"\2" + b"\0" * 9), (b"VP8 ", VP8)), None),  # animated
        (webp((b"VP8 ", VP8), (b"VP8 ", VP8)), None),
        (webp((b"VP8X", b"\0" * 10)), None),
        (webp((b"XXXX", b"\0" * 20)), None),
        (webp((b"VP8 ", VP8[:8])), None),
        (webp((b"VP8 ", VP8))[:-1], None),
        (b"\xff\xd8\xff\xe0\0\4\0\0\0\0", None),
        (b"\xff\xd8\xff", None),
        (b"GIF89a" + struct.pack("<HH", 4, 4) + b"\0\0\0;", None),
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>', None),
        (b"", None),
    ],
)
def test_the_size_that_will_be_decoded(data: bytes, size: tuple[int, int] | None) -> None:
    if size is None:
        with pytest.raises(BadInput):
            size_of(data)
    else:
        assert size_of(data) == size


def test_only_the_pixels_of_a_png_are_kept() -> None:
    plain = drawn_png(8, 8)
    extra = [
        png_chunk(kind, b"x\0\0" + zlib.compress(PROFILE))
        for kind in (b"iCCP", b"zTXt", b"iTXt", b"eXIf", b"acTL", b"fcTL", b"pHYs", b"prVt")
    ]
    for at in (33, len(plain) - 12):  # after the header, and before the end
        assert pixels_only(plain[:at] + b"".join(extra) + plain[at:]) == plain
    assert pixels_only(plain + b"anything") == plain
    with pytest.raises(BadInput, match="damaged"):
        pixels_only(plain[:8] + extra[0] + plain[8:33] + plain[8:])


def test_only_the_pixels_of_a_jpeg_are_kept() -> None:
    plain = drawn_as("jpeg", 40, 40)
    bare = pixels_only(plain)
    extra = [
        *(jpeg_segment(marker, EXIF + PROFILE) for marker in (0xE1, 0xE2, 0xEC, 0xED)),
        jpeg_segment(0xFE, XMP),
    ]
    dressed = plain[:2] + b"".join(extra) + plain[2:-2] + b"".join(extra) + plain[-2:]
    assert pixels_only(dressed) == bare
    assert redrawn(dressed) == redrawn(plain)
    adobe = jpeg_segment(0xEE, b"Adobe\0\x64\0\0\0\0\1")
    assert adobe in pixels_only(plain[:2] + adobe + plain[2:])


def test_a_jpeg_of_many_scans_is_refused() -> None:
    plain = pixels_only(drawn_as("jpeg", 40, 40))
    scan = plain[plain.index(b"\xff\xda") : -2]
    for scans, is_taken in ((100, True), (101, False)):
        data = plain[:-2] + scan * (scans - 1) + plain[-2:]
        if is_taken:
            assert pixels_only(data) == data
        else:
            with pytest.raises(BadInput, match="101 scans"):
                pixels_only(data)


def test_only_the_pixels_of_a_webp_are_kept() -> None:
    plain = drawn_as("webp", 40, 40)
    kind, frame = frame_of(plain)
    dressed = webp(
        (b"VP8X", b"\x2c\0\0\0" + b"\x27\0\0" * 2),
        (b"ICCP", PROFILE),
        (kind, frame),
        (b"EXIF", EXIF),
        (b"XMP ", XMP),
    )
    assert pixels_only(dressed) == plain
    assert redrawn(dressed) == redrawn(plain)


def test_a_webp_keeps_its_transparency() -> None:
    data = webp((b"VP8X", b"\x10\0\0\0" + b"\6\0\0\x08\0\0"), (b"ALPH", b"\0" * 64), (b"VP8 ", VP8))
    assert pixels_only(data) == data


@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt", b"IDAT"])
def test_a_small_png_takes_little_memory_whatever_is_packed_in_it(
    tmp_path: Path, kind: bytes
) -> None:
    """A profile took a little more than what it unpacks to, in a picture of 16 × 16 pixels."""
    plain, packed = drawn_png(16, 16), unpacks_to(400 * MEGABYTE)
    body = packed if kind == b"IDAT" else b"x\0\0" + packed
    (tmp_path / "a.png").write_bytes(plain[:33] + png_chunk(kind, body) + plain[33:])
    done = subprocess.run(
        [sys.executable, "-c", DRAWS, tmp_path / "a.png"],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    megabytes, seconds = map(float, done.stdout.split())
    assert megabytes < 250
    assert seconds < 10
