"""The images that compose.yaml names: pulled, or stand-ins where they cannot be."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

BASE = "python:3.11.13-slim-bookworm"
# Each with the folder of its stand-in.
STAND_INS = {
    BASE: "python",
    "postgres:17.6-bookworm": "postgres",
    "redis:7.4.5-bookworm": "redis",
    "chrislusf/seaweedfs:3.97": "s3",
}
DEBIAN = "huggingtweets-trial/debian:bookworm"
FOLDER = Path(__file__).parent / "stand_ins"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def provide(folder: Path) -> str:
    """Have each image; returns which are stand-ins."""
    for image, name in STAND_INS.items():
        if has(image) or quiet("docker", "pull", "--quiet", image):
            continue
        if not has(own_tag(name)):
            build(name, folder)
        run("docker", "tag", own_tag(name), image)
    built = [
        image for image, name in STAND_INS.items() if identity(image) == identity(own_tag(name))
    ]
    return f"stand-ins: {', '.join(built)}" if built else "all pulled"


def withdraw() -> None:
    """Take the images' names from the stand-ins: nobody else shall take them for the real ones."""
    for image, name in STAND_INS.items():
        if has(image) and identity(image) == identity(own_tag(name)):
            run("docker", "rmi", image)


def own_tag(name: str) -> str:
    """A stand-in's own name."""
    return f"huggingtweets-trial/{name}:bookworm"


def has(image: str) -> bool:
    """Whether the engine has the image."""
    return bool(identity(image))


def identity(image: str) -> str:
    """The image's id, or nothing."""
    command = ["docker", "image", "inspect", "--format", "{{.Id}}", image]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def build(name: str, folder: Path) -> None:
    """Build a stand-in. The others build on that of the base image, under the real one's name."""
    context = folder / "stand_ins" / name
    shutil.copytree(FOLDER / name, context, dirs_exist_ok=True)
    if name == STAND_INS[BASE]:
        import_debian(folder)
        shutil.copy(CERTIFICATES, context)
        (context / "wheels").mkdir(exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        run(*pip, "--dest", str(context / "wheels"), "torch==2.13.0")
    run("docker", "build", "-t", own_tag(name), str(context))


def import_debian(folder: Path) -> None:
    """Debian 12 with its Python, by debootstrap."""
    if has(DEBIAN):
        return
    root = folder / "debian"
    shutil.rmtree(root, ignore_errors=True)
    packages = "python3,python3-venv,python3-pip,ca-certificates"
    run("debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", str(root))
    archive = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
    subprocess.run(["docker", "import", "-", DEBIAN], stdin=archive.stdout, check=True)
    if archive.wait():
        raise RuntimeError("tar failed")
    shutil.rmtree(root)


def run(*command: str) -> None:
    """Run a command; its output is shown only if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def quiet(*command: str) -> bool:
    """Whether a command succeeds."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
