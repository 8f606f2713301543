"""Speed and memory of the import of a large X archive; exits 1 if either misses its target.

    python tests/benchmarks/archive.py [POSTS]

Writes an archive of POSTS made-up posts (default 1,000,000) as a zip, and imports it into a fresh
lake in a process of its own that is held to one core. Targets: at least 50,000 posts a second into
Parquet, and a peak under 500 MB (resident memory of the whole process, libraries included).
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tasks.lake.posts import append, state
from tasks.sources.file_sources import open_file_source
from tasks.storage import open_storage

POSTS_PER_PART = 200_000
POSTS_PER_SECOND = 50_000
MEGABYTES = 500
FIRST_ID = 10**18
_WORDS = ("rain", "tea", "island", "radio", "key", "night", "train", "moon", "robot", "teacher")
_MANIFEST = 'window.__THAR_CONFIG = {"userInfo": {"userName": "alice", "displayName": "Alice"}}'


def tweet(number: int, draw: random.Random) -> dict[str, Any]:
    """An element of `tweets.js` with about the fields and the size of a real one."""
    created = datetime(2010, 1, 1, tzinfo=UTC) + timedelta(minutes=7 * number)
    text = f"{' '.join(draw.choices(_WORDS, k=draw.randint(3, 30)))} &amp; {number}"
    return {
        "edit_info": {"initial": {"editTweetIds": [str(FIRST_ID + number)], "editsRemaining": "5"}},
        "retweeted": False,
        "source": '<a href="https://mobile.example.com" rel="nofollow">Web App</a>',
        "entities": {"hashtags": [], "symbols": [], "user_mentions": [], "urls": []},
        "display_text_range": ["0", str(len(text))],
        "favorite_count": str(draw.randint(0, 99)),
        "id_str": str(FIRST_ID + number),
        "truncated": False,
        "retweet_count": "0",
        "id": str(FIRST_ID + number),
        "created_at": created.strftime("%a %b %d %H:%M:%S +0000 %Y"),
        "favorited": False,
        "full_text": text,
        "lang": "en",
    }


def write_archive(path: Path, posts: int) -> None:
    """An archive in today's format, in as many parts as X would use."""
    draw = random.Random(0)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/manifest.js", _MANIFEST)
        for part, first in enumerate(range(0, posts, POSTS_PER_PART)):
            name = f"data/tweets-part{part}.js" if part else "data/tweets.js"
            numbers = range(first, min(first + POSTS_PER_PART, posts))
            with archive.open(name, "w") as member:
                member.write(f"window.YTD.tweets.part{part} = [".encode())
                for number in numbers:
                    comma = b"" if number == first else b","
                    element = json.dumps({"tweet": tweet(number, draw)}, indent=2)
                    member.write(comma + b"\n" + element.encode())
                member.write(b"\n]")


def import_archive(path: Path, root: str) -> None:
    """Import on one core, and print seconds, rows and peak bytes as JSON."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    storage, source = open_storage(root), open_file_source(path, None)
    begun = time.perf_counter()
    append(storage, source.handle, source.batches(None), scraped_at=datetime.now(UTC))
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    rows = state(storage, source.handle).rows
    print(json.dumps({"seconds": seconds, "rows": rows, "peak": peak}))


def main(posts: int) -> int:
    """Generate, import in a subprocess, and say whether both targets are met."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "archive.zip"
        write_archive(archive, posts)
        print(f"archive of {posts:,} posts: {archive.stat().st_size / 1e6:.0f} MB", flush=True)
        command = [sys.executable, __file__, "--import", str(archive), f"{folder}/lake"]
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    if found["rows"] != posts:
        raise AssertionError(f"{found['rows']} rows of {posts} posts")
    speed, peak = posts / found["seconds"], found["peak"] / 1e6
    fast, small = speed >= POSTS_PER_SECOND, peak < MEGABYTES
    print(f"{speed:,.0f} posts a second; {POSTS_PER_SECOND:,}: {'met' if fast else 'MISSED'}")
    print(f"peak memory {peak:.0f} MB; under {MEGABYTES} MB: {'met' if small else 'MISSED'}")
    return int(not (fast and small))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--import"]:
        import_archive(Path(sys.argv[2]), sys.argv[3])
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
