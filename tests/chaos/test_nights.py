"""Whole nights under trouble from outside: accounts that fail, a lake that is away, a clock."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from tasks.core.names import Bot, Handle
from tasks.core.records import Kind, Post
from tasks.core.settings import settings
from tasks.publishing.releases import latest_release, verify_release
from tasks.storage import open_storage
from tests.chaos.clock import make_clock
from tests.sample_posts import sentences, write_table
from tests.servers.s3 import KEYS, running_s3
from tests.servers.x_api import TOKEN, Account, as_api_posts, running_x_api

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]
Command = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]


def registry(folder: Path, base: Path, good: int, *others: str) -> Path:
    """A registry of so many bots that can be trained, and others as they are written."""
    tables = [write_table(folder / f"good{n}.csv", posts=200, seed=n) for n in range(good)]
    bots = [f"  - {{handles: [good{n}], source: {table}}}" for n, table in enumerate(tables)]
    defaults = f"defaults: {{base: {base}, training: {{epochs: 1, precision: fp32}}}}"
    path = folder / "bots.yaml"
    path.write_text("\n".join([defaults, "bots:", *bots, *others]))
    return path


def told(fault: str, counts: dict[str, int], seconds: float) -> None:
    print(f"\nCHAOS | {fault} | {counts} | the night took {seconds:.0f} s")


@pytest.mark.usefixtures("prefect_server")
def test_of_twenty_accounts_five_fail_each_in_its_own_way(
    tmp_path: Path, tiny_base: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUGGINGTWEETS_GATE_REPEATS", "1")
    few = write_table(tmp_path / "few.csv", posts=5)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 and no more")
    bad = [
        "  - {handles: [gone], source: x_api}",
        f"  - {{handles: [few], source: {few}}}",
        f"  - {{handles: [broken], source: {broken}}}",
        f"  - {{handles: [absent], source: {tmp_path}/absent.csv}}",
        f"  - {{handles: [baseless], base: /no/such/base, source: {few}}}",
    ]
    path = registry(tmp_path, tiny_base, 15, *bad)
    with running_x_api() as api:
        found = [Post("1", Handle("gone"), datetime.now(UTC) - timedelta(days=9), sentences(1)[0],
                      "en", Kind.POST, "x_api", "{}")]  # fmt: skip
        api.add(Account("7", "gone", posts=as_api_posts(found), state="suspended"))
        for name, value in {"URL": api.url}.items():
            monkeypatch.setenv(f"HUGGINGTWEETS_X_API_{name}", value)
        monkeypatch.setenv("HUGGINGTWEETS_X_BEARER_TOKEN", TOKEN)
        monkeypatch.setenv("HUGGINGTWEETS_X_ACCEPT_TERMS", "true")
        settings.cache_clear()
        begun = time.monotonic()
        code, out, _ = command("nightly", "--registry", path, "--json")
    summary = json.loads(out)
    told("5 of 20 accounts fail", summary["counts"], time.monotonic() - begun)
    assert code == 1
    assert summary["counts"] == {"released": 15, "failed": 5}
    reasons = {
        each["bot"]: each["reason"] for each in summary["bots"] if each["outcome"] == "failed"
    }
    for name, said in {
        "gone": "suspended", "few": "kept", "broken": "broken.zip", "absent": "no such file",
        "baseless": "/no/such/base",
    }.items():  # fmt: skip
        assert said in reasons[name], reasons[name]


def night(
    folder: Path, path: Path, storage: str, name: str = "2026-01-01", **environment: str
) -> subprocess.Popen[str]:
    """`huggingtweets nightly` in a process of its own, with a Prefect home of its own."""
    return subprocess.Popen(
        [str(Path(sys.executable).parent / "huggingtweets"), "nightly", "--registry", str(path),
         "--night", name, "--json"],
        env={
            **os.environ, **KEYS, "PREFECT_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT),
            "HUGGINGTWEETS_STORAGE": storage, "HUGGINGTWEETS_TRACKING": "false",
            "HUGGINGTWEETS_GATE_REPEATS": "1", **environment,
        },
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_lake_that_is_away_for_half_a_minute(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    path = registry(tmp_path, tiny_base, 6)
    with running_s3() as s3:
        process, begun = night(tmp_path, path, s3.url()), time.monotonic()

        def strike() -> None:
            time.sleep(25)
            s3.process.send_signal(signal.SIGSTOP)
            time.sleep(30)
            s3.process.send_signal(signal.SIGCONT)

        striking = threading.Thread(target=strike)
        striking.start()
        out, err = process.communicate(timeout=600)
        striking.join()
    assert out, err[-3000:]
    summary = json.loads(out)
    told("lake away for 30 s", summary["counts"], time.monotonic() - begun)
    assert summary["counts"] == {"released": 6}, summary["bots"]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to make the clock with")
@pytest.mark.parametrize("days", [2, -2])
def test_a_clock_that_jumps(tmp_path: Path, tiny_base: Path, days: int) -> None:
    path = registry(tmp_path, tiny_base, 6)
    clock, storage, begun = make_clock(tmp_path), tmp_path / "storage", time.monotonic()
    process = night(tmp_path, path, str(storage), **clock.environment)
    wait_for_an_outcome(process, storage)
    clock.set(timedelta(days=days))
    out, err = process.communicate(timeout=600)
    assert out, err[-3000:]
    summary = json.loads(out)
    told(f"clock jumps by {days} days", summary["counts"], time.monotonic() - begun)
    assert summary["counts"] == {"released": 6}, summary["bots"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for two bots; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    # Also where a process that has been left still uses it.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def assert_nothing_is_half(folder: Path) -> None:
    assert not list(folder.rglob(".draft*"))
    for path in folder.rglob("*.json"):
        json.loads(path.read_text())
    for path in folder.rglob("*.parquet"):
        pq.read_table(path)
    storage = open_storage(str(folder))
    for bot in folder.glob("releases/*"):
        release = latest_release(storage, Bot.parse(bot.name))
        files = [str(path) for path in bot.rglob("*") if path.is_file()]
        # A disk can be full as soon as the bot has its folder.
        assert verify_release(storage, release) if release else not files, files
    for weights in folder.rglob("model.safetensors"):
        assert weights.with_name("manifest.json").exists()


def test_a_disk_that_fills_up_in_the_night(
    tmp_path: Path, tiny_base: Path, small_disk: Path
) -> None:
    path, begun = registry(tmp_path, tiny_base, 6), time.monotonic()
    process = night(tmp_path, path, str(small_disk))
    _, err = process.communicate(timeout=600)
    assert process.returncode == 1, err[-3000:]
    storage = open_storage(str(small_disk))
    released = {
        bot.name
        for bot in small_disk.glob("releases/*")
        if latest_release(storage, Bot.parse(bot.name)) is not None
    }
    told("disk full", {"released": len(released)}, time.monotonic() - begun)
    assert 0 < len(released) < 6
    lines = " ".join(err.split())
    for number in range(6):
        name = f"good{number}"
        if name not in released:
            assert re.search(f"@{name}: failed: storage [^:]*: no space is left", lines), err
    assert_nothing_is_half(small_disk)

    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    begun = time.monotonic()
    # The first is the same night, if the disk was too full for its summary; else it has ended.
    for name in ("2026-01-01", "2026-01-01-2"):
        out, err = night(tmp_path, path, str(small_disk), name).communicate(timeout=600)
        assert out, err[-3000:]
    again = {bot.name for bot in small_disk.glob("releases/*")} - released
    told("disk full", {"released after space was freed": len(again)}, time.monotonic() - begun)
    assert len(again | released) == 6, "all were due at once"
    assert all(len(list(bot.glob("2*"))) == 1 for bot in small_disk.glob("releases/*")), "once"
    assert_nothing_is_half(small_disk)


def test_prefects_own_disk_fills_up(tmp_path: Path, tiny_base: Path, small_disk: Path) -> None:
    """Its database cannot be written then, and breaks what is under way; no bot is to blame."""
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    path, storage, begun = registry(tmp_path, tiny_base, 6), tmp_path / "storage", time.monotonic()
    process = night(tmp_path, path, str(storage), PREFECT_HOME=str(small_disk))
    wait_for_an_outcome(process, storage)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(4096))
    process.communicate(timeout=400)
    assert process.returncode == 1
    told("Prefect's own disk full", {"exit code": 1}, time.monotonic() - begun)
    assert_nothing_is_half(storage)

    filler.unlink()
    begun = time.monotonic()
    for name in ("2026-01-01", "2026-01-01-2"):
        process = night(tmp_path, path, str(storage), name, PREFECT_HOME=str(small_disk))
        out, err = process.communicate(timeout=600)
        assert out, err[-3000:]
    told("Prefect's own disk full", {"released after space was freed": 6}, time.monotonic() - begun)
    assert len(list(storage.glob("releases/*/2*"))) == 6, "all, and each once"
    assert_nothing_is_half(storage)


def wait_for_an_outcome(process: subprocess.Popen[str], storage: Path) -> None:
    while not list(storage.glob("outcomes/*.json")):
        assert process.poll() is None
        time.sleep(0.1)


def test_a_night_in_a_terminal_is_killed_and_started_again(tmp_path: Path, tiny_base: Path) -> None:
    path, storage = registry(tmp_path, tiny_base, 6), tmp_path / "storage"
    process = night(tmp_path, path, str(storage))
    wait_for_an_outcome(process, storage)
    below = psutil.Process(process.pid).children(recursive=True)
    time.sleep(1)  # into the training of the next
    process.kill()
    process.wait()
    for each in below:  # the server that the command had started for itself
        with suppress(psutil.NoSuchProcess):
            each.kill()
    begun, ended = time.monotonic(), set(storage.glob("outcomes/*.json"))
    assert len(ended) < 6
    out, err = night(tmp_path, path, str(storage)).communicate(timeout=300)
    assert out, err[-3000:]
    summary = json.loads(out)
    told("SIGKILL of a night in a terminal", summary["counts"], time.monotonic() - begun)
    assert sum(summary["counts"].get(end, 0) for end in ("released", "unchanged")) == 6, summary
    assert len(list(storage.glob("releases/*/2*"))) == 6, "all, and each once"
