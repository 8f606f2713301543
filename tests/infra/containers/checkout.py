"""A copy of the working tree to build from, and the runbook whose commands are run in it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import yaml

from tests.sample_posts import write_table
from tests.tiny import make_tiny_base

ROOT = Path(__file__).parents[3]
HERE = Path("tests/infra/containers")
BLOCK = re.compile(r"<!-- run: ([a-z0-9-]+) -->\n```sh\n(.*?)```\n", re.DOTALL)
# Must not get into the image.
DECOYS = {
    ".git/config": "[remote]",
    ".env": "HUGGINGTWEETS_HUB_TOKEN=decoy",
    "deployments/.env": "HUGGINGTWEETS_HUB_TOKEN=decoy",
    "storage/posts/alice/part-0.parquet": "decoy",
}


def blocks(text: str) -> dict[str, str]:
    """The runbook's commands that are run as they stand, by name."""
    return dict(BLOCK.findall(text))


def copy_tree(folder: Path) -> None:
    """Copy what git knows or would add, and put down what an operator's checkout has besides."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for name, text in DECOYS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def write_bots(folder: Path, posts: dict[str, int]) -> None:
    """A registry with a table for each bot, and a tiny base, where the workers see them.

    posts: of each bot; 400 are trained on for some ten seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    inside = "/etc/huggingtweets"
    entries = []
    for number, name in enumerate(posts):
        write_table(folder / f"{name}.csv", posts=posts[name], seed=number)
        entries.append({"handles": [name], "source": f"{inside}/{name}.csv"})
    made = {"defaults": {"training": {"epochs": 40}}, "bots": entries}
    (folder / "bots.yaml").write_text(yaml.safe_dump(made))
    make_tiny_base(folder / "base", positions=64)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
