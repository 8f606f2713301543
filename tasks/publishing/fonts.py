"""The picture's fonts: Noto for all scripts, downloaded into the cache without root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tasks.storage import write_file

Say = Callable[[str], None]
PACKAGES = {
    "fonts-noto-core": "all scripts",
    "fonts-noto-color-emoji": "emoji",
    "fonts-noto-cjk": "Chinese, Japanese and Korean",
}
SYSTEM_FONTS = Path("/usr/share/fonts")
IMAGE_FONTS = SYSTEM_FONTS / "huggingtweets"  # infra/Dockerfile puts the downloaded fonts there
_EMOJI, _CJK = "NotoColorEmoji.ttf", "NotoSansCJK-Regular.ttc"
_REGULAR = re.compile(r"Noto(Sans|Serif)(\w*)-Regular\.ttf")
# Variants of scripts that another file covers.
_VARIANTS = re.compile(r"Display|Looped|Slanted|Unjoined|Tifinagh.+|Mono|UI$")
# Without any Noto, DejaVu at least covers more than Latin.
_LAST_RESORT = "DejaVuSans.ttf"
_PATIENCE = 300


def available_fonts(folder: Path, system: Path = SYSTEM_FONTS) -> tuple[Path, ...]:
    """The font files to render with, by preference: the cache's, then the system's.

    folder: the cache's font folder; it need not exist. Noto Sans is always included.
    """
    found = {path.name: path for path in (*_files(system), *_files(folder))}
    # Emoji before Noto Sans Symbols2, which has many of them in black and white.
    first = [found[name] for name in (_EMOJI, _CJK) if name in found]
    last = [found[_LAST_RESORT]] if _LAST_RESORT in found else []
    return (_noto_sans(), *first, *(found[name] for name in _scripts(found)), *last)


def missing_fonts(folder: Path, image: Path = IMAGE_FONTS) -> list[str]:
    """The packages of fonts that are neither in the cache's font folder nor in the image."""
    return [
        package
        for package in PACKAGES
        if not any(_marker(place, package).exists() for place in (folder, image))
    ]


def fetch_fonts(folder: Path, say: Say) -> None:
    """Download the packages' fonts into `folder`, except those that are there.

    say: called with one line for each step, and for a package that cannot be fetched: nothing is
    raised then, since the picture is drawn with the fonts there are.
    """
    missing = missing_fonts(folder)
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        say("fonts: no apt-get, using the fonts of the system")
        return
    with tempfile.TemporaryDirectory(prefix="huggingtweets-fonts-") as temporary:
        _fetch_all(folder, missing, _Apt(Path(temporary)), say)


def _fetch_all(folder: Path, packages: list[str], apt: _Apt, say: Say) -> None:
    for package in packages:
        say(f"fonts: fetching {package} ({PACKAGES[package]})")
        try:
            unpacked = apt.unpacked(package)
        except (subprocess.SubprocessError, OSError) as error:
            say(f"fonts: cannot fetch {package}, drawing without it: {_reason(error)}")
            return
        _keep(unpacked, folder)
        write_file(_marker(folder, package), b"")


def _keep(unpacked: Path, folder: Path) -> None:
    files = {path.name: path for path in _files(unpacked)}
    wanted = [name for name in (_EMOJI, _CJK) if name in files]
    for name in (*wanted, *_scripts(files)):
        write_file(folder / name, files[name].read_bytes())


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.tt[fc]") if not path.name.startswith("."))


def _scripts(names: Iterable[str]) -> list[str]:
    """One regular font a script: sans where there is one, else serif."""
    chosen: dict[str, str] = {}
    # Sorted, a script's sans comes before its serif.
    for name in sorted(names):
        found = _REGULAR.fullmatch(name)
        if found and found[2] and not _VARIANTS.search(found[2]):
            chosen.setdefault(found[2], name)
    return sorted(chosen.values())


def _noto_sans() -> Path:
    import fontpkg_noto_sans

    return Path(fontpkg_noto_sans.ROOT) / "files" / "NotoSans[wdth,wght].ttf"


def _marker(folder: Path, package: str) -> Path:
    return folder / f"{package}.done"


def _reason(error: Exception) -> str:
    """The last line of apt's output, or the error's message."""
    said = getattr(error, "stderr", None) or str(error)
    return said.strip().splitlines()[-1][:200] if said.strip() else type(error).__name__


class _Apt:
    """apt-get as an ordinary user, without package lists at first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._options = ["-q", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=1"]

    def unpacked(self, package: str) -> Path:
        """The folder that holds the package's files. Raises SubprocessError, OSError."""
        target = self._folder / package
        target.mkdir()
        try:
            self._download(package, target)
        except subprocess.CalledProcessError:
            self._fetch_lists()
            self._download(package, target)
        for archive in target.glob("*.deb"):
            self._run(["dpkg-deb", "-x", str(archive), str(target)], target)
        return target

    def _download(self, package: str, target: Path) -> None:
        self._run(["apt-get", *self._options, "download", package], target)

    def _fetch_lists(self) -> None:
        """Fetch package lists into a folder of ours: the system's need root, or are outdated."""
        state, cache = self._folder / "state", self._folder / "cache"
        for needed in (state / "lists" / "partial", cache / "archives" / "partial"):
            needed.mkdir(parents=True, exist_ok=True)
        self._options += ["-o", f"Dir::State::Lists={state / 'lists'}", "-o", f"Dir::Cache={cache}"]
        # As root, apt would drop to a user that cannot enter this folder.
        self._options += ["-o", "APT::Sandbox::User="]
        self._run(["apt-get", *self._options, "update"], self._folder)

    @staticmethod
    def _run(command: list[str], folder: Path) -> None:
        subprocess.run(  # noqa: S603  (fixed commands; the package names stand above)
            command,
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            env={**os.environ, "LC_ALL": "C"},
        )
