"""What an earlier version left on a machine is read and finished by this one.

Earlier versions are commits of this repository's own history. The first one scrapes, trains,
releases, forgets, and is killed in the middle of a training. Its recipe was another one: every bot
is trained anew, once, and nothing of what it had is lost. The second one has today's recipe, and is
killed in the same training: what it left goes on.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.core.names import Handle
from tests.sample_posts import posts_by, write_table
from tests.servers.prefect_database import put_database
from tests.servers.prefect_site import until
from tests.servers.x_api import TOKEN, Account, XApi, as_api_posts, running_x_api

ROOT = Path(__file__).parents[1]
OTHER_RECIPE = "68c0f9ca619c5e2c23c181a114f199f273a4ee1c"
# Raise it, to the commit of the change, with a recipe's number.
SAME_RECIPE = "1073cad848c39992ac5c69a183eef8bbaf4ab61a"
# Commands of the command line, one after another in one process, with one Prefect server.
COMMANDS = """
import json, sys
from {module} import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["huggingtweets", *words]
    try:
        main()
    except SystemExit as end:
        print("CODE", end.code or 0, flush=True)
"""
# In which nothing of an earlier version is changed.
FOLDERS = ("checkpoints", "corpora", "releases", "resume")
SOON = 20  # steps after which the training is killed, of 180
LONG = {"epochs": 12, "evaluations": 1, "patience": 1000, "learning_rate": 1e-5}


@dataclass(frozen=True)
class Version:
    """A version's tree, and the module of its command."""

    tree: Path
    module: str = "deployments.cli.app"


NOW = Version(ROOT)


def version(commit: str, folder: Path, module: str = NOW.module) -> Version:
    """An earlier version, in this folder."""
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", commit], capture_output=True, check=False
    )
    if archive.returncode:
        message = f"this checkout's history has no {commit}: {archive.stderr.decode()}"
        # CI has the whole history.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return Version(folder, module)


@dataclass
class Machine:
    """An operator's machine: what lies in its folder outlives the version that made it."""

    folder: Path
    base: Path
    api: XApi

    @property
    def storage(self) -> Path:
        """The storage root."""
        return self.folder / "storage"

    def run(self, *commands: list[object]) -> list[Any]:
        """What this version's commands printed as JSON, and the log of them all."""
        process = self._start(NOW, *commands)
        out, err = process.communicate(timeout=240)
        printed = re.split(r"^CODE \d+\n", out, flags=re.MULTILINE)
        results = [json.loads(part) for part in printed[:-1]]
        assert len(results) == len(commands), f"{out}\n{err}"
        return [*results, err]

    def run_until_killed(self, version: Version, *commands: list[object]) -> None:
        """Commands of an earlier version, killed when a new training of bob is under way."""
        process, before = self._start(version, *commands), self.unfinished("bob")

        def under_way() -> bool:
            begun = self.unfinished("bob").items() - before.items()
            return max((step for _, step in begun), default=0) >= SOON or process.poll() is not None

        try:
            until(under_way, 240, "bob's training")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
        assert len(self.unfinished("bob")) == len(before) + 1, f"{out}\n{err}"

    def _start(self, version: Version, *commands: list[object]) -> subprocess.Popen[str]:
        told = json.dumps([list(map(str, words)) for words in commands])
        own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        environment = {
            **own,
            "PYTHONPATH": str(version.tree),
            "PREFECT_HOME": str(self.folder / "prefect"),
            "HUGGINGTWEETS_STORAGE": str(self.storage),
            "HUGGINGTWEETS_BASE": str(self.base),
            "HUGGINGTWEETS_CHECKPOINT_SECONDS": "0.2",
            "HUGGINGTWEETS_TRACKING": "false",
            "HUGGINGTWEETS_X_API_URL": self.api.url,
            "HUGGINGTWEETS_X_BEARER_TOKEN": TOKEN,
            "HUGGINGTWEETS_X_ACCEPT_TERMS": "true",
        }
        return subprocess.Popen(
            [sys.executable, "-c", COMMANDS.format(module=version.module), told],
            cwd=self.folder, env=environment, start_new_session=True, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def registry(self, name: str, bots: list[dict[str, Any]]) -> Path:
        """A registry of these bots."""
        path = self.folder / name
        defaults = {"training": {"epochs": 1, "precision": "fp32"}}
        path.write_text(yaml.safe_dump({"defaults": defaults, "bots": bots}))
        return path

    def unfinished(self, bot: str) -> dict[str, int]:
        """The trainings of a bot that have not ended, with the last step that is stored."""
        found: dict[str, int] = {}
        for path in sorted((self.storage / "resume" / bot).glob("*/[0-9]*/manifest.json")):
            found[path.parts[-3]] = int(path.parts[-2])
        return found

    def files(self) -> dict[str, bytes]:
        """The files of FOLDERS, by their keys."""
        files = [file for name in FOLDERS for file in (self.storage / name).rglob("*")]
        return {
            str(file.relative_to(self.storage)): file.read_bytes()
            for file in files
            if file.is_file() and file.name != "latest"
        }

    def cached_runs(self) -> list[str]:
        """The names of the task runs that found their result stored."""
        with sqlite3.connect(self.folder / "prefect" / "prefect.db") as database:
            found = database.execute("SELECT name FROM task_run WHERE state_name = 'Cached'")
            return sorted(name for (name,) in found)


@pytest.mark.timeout(600)
def test_what_an_earlier_version_left_is_used_and_finished(tmp_path: Path, tiny_base: Path) -> None:
    first_version = version(OTHER_RECIPE, tmp_path / "first", "deployments.cli")
    second_version = version(SAME_RECIPE, tmp_path / "second")
    with running_x_api() as api:
        posts = as_api_posts(posts_by(Handle("mallory"), 200))
        api.add(Account("7", "mallory", "Mallory", posts=posts))
        machine = Machine(tmp_path, tiny_base, api)
        put_database(tmp_path / "prefect")
        table = write_table(tmp_path / "bob.csv", posts=200)
        poor = machine.registry("poor.yaml", [{"handles": ["cyd"]}])
        long = machine.registry(
            "long.yaml", [{"handles": ["bob"], "source": str(table), "training": LONG}]
        )
        mallory = ["retrain", "mallory", "--source", "x_api", "--epochs", 1, "--json"]
        bobs_night = ["nightly", "--night", "2026-01-02", "--registry", long, "--json"]
        machine.run_until_killed(
            first_version,
            ["forget", "eve", "--yes"],
            mallory,
            ["nightly", "--night", "2026-01-01", "--registry", poor],
            bobs_night,
        )
        other_recipe = machine.unfinished("bob")
        machine.run_until_killed(second_version, bobs_night)
        assert machine.cached_runs() == ["curate @bob"]
        (finished,) = machine.unfinished("bob").keys() - other_recipe.keys()
        asked, left = len(api.requests), machine.files()
        (first,), (unchanged,), (again,), night, (opted_out,), rows, log = machine.run(
            mallory,
            mallory,
            [*mallory, "--force"],
            bobs_night,
            ["retrain", "eve", "--source", table, "--json"],
            ["status", "--json"],
        )
    # The recipe is another one, so the bot is trained again, once, from the base.
    assert [each["outcome"] for each in (first, unchanged, again)] == [
        "released", "unchanged", "released",
    ]  # fmt: skip
    assert len({each["held_out_loss"] for each in (first, unchanged, again)}) == 1
    assert "@mallory: training starts from the base: release" in log, "the release is known"
    # So are the corpus and the watermark, and results of tasks.
    assert len(api.requests) == asked + 3, "only what is new is asked for"
    assert Counter(machine.cached_runs()) == {
        "curate @bob": 2, "curate @mallory": 2, "finetune @mallory": 1,
    }  # fmt: skip
    # The training that was cut off goes on, and the night ends by its plan.
    (resumed,) = re.findall(r"from step (\d+) of \d+", log)
    assert int(resumed) >= SOON
    assert night["counts"] == {"released": 1}
    # The other recipe's training was not touched, and neither were releases, weights and posts.
    assert machine.unfinished("bob") == other_recipe
    kept = machine.files()
    changed = [Path(key).parts for key, content in left.items() if kept.get(key) != content]
    assert {(folder, name) for folder, _, name, *_ in changed} == {("resume", finished)}
    assert {Path(key).parts[0] for key in left} == set(FOLDERS)
    # What an account asked for, and how bots fared, stays known.
    assert "opted out" in opted_out["reason"]
    by_bot = {row["bot"]: row for row in rows}
    assert by_bot["cyd"]["outcome"] == "failed"
    assert by_bot["cyd"]["next_attempt_at"] is not None
    assert by_bot["mallory"]["posts"] == 200
