"""Small X archives, honest and hostile."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

HEAD = "window.YTD.{}.part0 = "


def tweet(post_id: int, text: str, **fields: Any) -> dict[str, Any]:
    """An element of `tweets.js`."""
    known = {"created_at": "Wed Oct 10 20:19:24 +0000 2018", "lang": "en"}
    return {"tweet": {"id_str": str(post_id), "full_text": text, **known, **fields}}


def script(name: str, value: Any) -> str:
    """The text of one of the archive's `.js` files."""
    return HEAD.format(name) + json.dumps(value, indent=2)


MANIFEST = "window.__THAR_CONFIG = " + json.dumps(
    {"userInfo": {"accountId": "1", "userName": "Alice", "displayName": "Alice & Söhne"}}
)


def archive_files(*parts: list[dict[str, Any]], **more: str) -> dict[str, str]:
    """The members of an archive of @Alice: one file of posts a part; `more` by bare name."""
    files = {"data/manifest.js": MANIFEST}
    for number, part in enumerate(parts):
        name = f"data/tweets-part{number}.js" if number else "data/tweets.js"
        files[name] = script("tweets", part)
    return files | {f"data/{name.replace('_', '-')}.js": text for name, text in more.items()}


def write_folder(folder: Path, files: dict[str, str]) -> Path:
    """The members as files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def write_zip(path: Path, files: dict[str, str]) -> Path:
    """The members in a zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path
