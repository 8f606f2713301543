"""`make containers` does not pretend where it cannot run."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.infra.containers.engine import INSTALL, CannotRun, running_engine


def test_a_machine_without_docker_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    wanted = "there is no `docker`" if os.geteuid() == 0 else "this is not root"
    with pytest.raises(CannotRun, match=re.escape(wanted)), running_engine(tmp_path):
        pass


def test_an_engine_that_does_not_start_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for name in ("docker", "dockerd"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    ended = pytest.raises(CannotRun, match=r"dockerd does not start: see .*dockerd\.log")
    with ended, running_engine(tmp_path):
        pass


def test_what_to_install_is_said() -> None:
    said = INSTALL.format(reason="this is not root")
    assert said.startswith("The containers were not tried: this is not root.")
    assert "apt-get install" in said
