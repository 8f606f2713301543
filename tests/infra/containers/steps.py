"""The steps, in their order. Each returns what was seen, or raises."""

from __future__ import annotations

import json
import re
import shutil
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import yaml

from tests.infra.containers import images
from tests.infra.containers.checkout import DECOYS, HERE, write_bots
from tests.infra.containers.trial import API, Failed, Trial, sure, wait
from tests.servers.browser import running_chromium

BOTS = [f"bot{number}" for number in range(6)]
CHUNK = 3
POSTS = 400
LONG = 5_000  # their training is under way for longer than a build and the start of new workers
LATE, JOBS = ["late0"], ["job0", "job1"]
SILENCE = "60"
OURS = ("server", "services", "web", "worker-cpu", "worker-train", "worker-train-2")
ENDED = {"Completed", "Failed", "Crashed"}
NEW_TOKEN = "hf_new"  # noqa: S105 - of nobody


def have_images(trial: Trial) -> str:
    """Pull the images, or build their stand-ins."""
    return images.provide(trial.folder)


def build(trial: Trial) -> str:
    """Build ours, with what an operator's checkout has lying about."""
    trial.book("install")
    write_bots(trial.tree / "infra" / "bots", dict.fromkeys(BOTS, POSTS))
    settings = {
        "BASE": "/etc/huggingtweets/base",
        "TRACKING": "false",
        "GATE_REPEATS": "1",  # thousands of made-up posts repeat one another
        "AVATARS": "off",
        "CHECKPOINT_SECONDS": "1",
        "MIN_CHARACTERS": "1000",
    }
    lines = [f"HUGGINGTWEETS_{name}={value}\n" for name, value in settings.items()]
    (trial.tree / "infra" / "settings.env").write_text("".join(lines))
    trial.book("build")
    (image,) = json.loads(trial.run("docker", "image", "inspect", "huggingtweets:cpu"))
    history = trial.run(
        *["docker", "history", "--no-trunc", "--format", "{{.Size}} {{.CreatedBy}}"],
        "huggingtweets:cpu",
    )
    layers = [line for line in history.splitlines() if not line.startswith("0B")]
    print("\n".join(f"    {line[:110]}" for line in layers))
    return f"{image['Size'] / 1e9:.2f} GB, {len(layers)} layers that hold something"


def look_into_the_image(trial: Trial) -> str:
    """No secret, history or test; a user of its own, who can write nowhere in the code."""
    listed = trial.run("docker", "run", "--rm", "--entrypoint", "find", "huggingtweets:cpu", "/app")
    names = {line.removeprefix("/app/") for line in listed.splitlines()}
    bad = {
        name
        for name in names
        if re.match(r"(tests|\.git|storage|infra/(secrets|bots|settings\.env))\b", name)
    }
    bad |= names & set(DECOYS)
    sure(not bad, f"in the image: {sorted(bad)}")
    sure("deployments/cli/app.py" in names, "the code is not in the image")
    values = [
        path.read_text().strip()
        for path in (trial.tree / "infra" / "secrets").iterdir()
        if path.stat().st_size > 8
    ]
    history = trial.run("docker", "history", "--no-trunc", "huggingtweets:cpu")
    sure(not any(value in history for value in values), "a secret in the image's history")
    who = trial.run("docker", "run", "--rm", "--entrypoint", "id", "huggingtweets:cpu")
    sure("uid=10001(huggingtweets) gid=10001(huggingtweets)" in who, who)
    find = ["find", "/", "-xdev", "-writable", "-not", "-type", "l", "-not", "-path", "/proc/*"]
    command = ["docker", "run", "--rm", "--entrypoint", find[0], "huggingtweets:cpu", *find[1:]]
    writable = [line for line in trial.code(*command)[1].splitlines() if line.startswith("/")]
    ours = ("/var/lib/prefect", "/var/cache/huggingtweets", "/tmp", "/var/tmp", "/run/lock", "/dev")
    left = [line for line in writable if not line.startswith(ours)]
    sure(not left, left)
    for name in ("NotoColorEmoji.ttf", "NotoSansCJK-Regular.ttc"):
        path = f"/usr/share/fonts/huggingtweets/{name}"
        trial.run("docker", "run", "--rm", "--entrypoint", "head", "huggingtweets:cpu", "-c1", path)
    return f"{len(names)} files of ours, no secret, .git or test; user 10001; fonts readable"


def start(trial: Trial) -> str:
    """Start all of it on an empty, slow database, with two servers."""
    trial.environment["TRIAL_SLOW"] = "15"
    seen = trial.book("start")
    sure("Nothing is stored yet" in seen, seen)
    for service in ("migrate", "setup"):
        (container,) = trial.containers(service)
        sure(container["State"]["ExitCode"] == 0, container["State"])
        sure(container["RestartCount"] == 0, f"{service} was started again")
    servers = trial.containers("server")
    sure(len(servers) == 2, servers)
    sure(all(each["RestartCount"] == 0 for each in servers), "a server was started again")
    trial.inside("worker-cpu", "huggingtweets", "infra", "apply", "--silence", SILENCE)
    return "two servers on an empty database, 15 s late: none restarted, migrate and setup ended 0"


def look_at_the_api(trial: Trial) -> str:
    """The UI is there, the API asks for its login, on both servers."""
    for port in (4200, 4201):
        page = httpx.get(f"http://127.0.0.1:{port}/", follow_redirects=True)
        sure(page.status_code == 200 and "<div id=" in page.text, page.text[:500])
        path = f"http://127.0.0.1:{port}/api/flow_runs/filter"
        sure(httpx.post(path, json={}).status_code == 401, "no login, and no 401")
        sure(httpx.post(path, json={}, auth=("a", "b")).status_code == 401, "wrong login")
        sure(httpx.post(path, json={}, auth=trial.login()).status_code == 200, "the login")
    return "UI 200, API 401 without login, 401 with a wrong one, 200 with it, on both ports"


def look_at_the_ui(trial: Trial) -> str:
    """The UI in a browser: it asks for the login, then shows the pools."""
    if not shutil.which("chromium"):
        return "NOT LOOKED AT: Chromium is not installed"
    with running_chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto("http://127.0.0.1:4200/")
        page.wait_for_selector("input[type=password]")
        page.wait_for_load_state("networkidle")  # the form is there before its code is
        refused: list[str] = []
        page.fill("input[type=password]", ":".join(trial.login()))
        page.press("input[type=password]", "Enter")
        page.wait_for_selector("input[type=password]", state="detached")
        page.on("response", lambda r: refused.append(r.url) if r.status >= 400 else None)
        for path, shown in (("work-pools", "train"), ("deployments", "nightly")):
            page.goto(f"http://127.0.0.1:4200/{path}")
            page.wait_for_selector(f"text={shown}")
            page.screenshot(path=trial.tree.parent / f"{path}.png")
        sure(not refused, refused)
    return "asks for the login; with it, pools and deployments are shown, no request is refused"


def look_at_the_containers(trial: Trial) -> str:
    """No secret to be read from outside, no rights, no way out for those inside."""
    secrets = {
        path.read_text().strip()
        for path in (trial.tree / "infra" / "secrets").iterdir()
        if path.stat().st_size > 8 and path.suffix not in {".json", ".conf"}
    }
    count = 0
    for service in OURS:
        for each in trial.containers(service):
            count += 1
            text = json.dumps(each)
            sure(not any(secret in text for secret in secrets), f"{service}: a secret")
            sure(each["HostConfig"]["ReadonlyRootfs"], f"{service} is writable")
            status = Path(f"/proc/{each['State']['Pid']}/status").read_text()
            sure(re.search(r"^CapEff:\s+0+$", status, re.MULTILINE), status)
            sure(re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE), status)
            sure(re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE), status)
            sure(re.search(r"^Seccomp:\s+2$", status, re.MULTILINE), status)
            sure(re.search(r"^Uid:\s+10001\s+10001\s+10001", status, re.MULTILINE), status)
    code, seen = trial.code(
        *["docker", "compose", "exec", "-T", "worker-cpu", "touch", "/app/x", "/etc/x"]
    )
    sure(code != 0 and seen.count("Read-only file system") == 2, seen)
    connect = "import socket; socket.create_connection(('1.1.1.1', 443), 3)"
    command = ["docker", "run", "--rm", "--network", "huggingtweets_inner", "--entrypoint"]
    code, seen = trial.code(*command, "/opt/venv/bin/python", "huggingtweets:cpu", "-c", connect)
    sure(code != 0 and ("unreachable" in seen or "timed out" in seen), seen)
    return f"{count} containers: no secret in inspect, no capability, read-only, inner net closed"


def use_the_command(trial: Trial) -> str:
    """The command in a container, also where the storage refuses."""
    status = trial.inside("worker-cpu", "huggingtweets", "status")
    sure("Traceback" not in status, status)
    for pair in ("AWS_ACCESS_KEY_ID=wrong", "AWS_SECRET_ACCESS_KEY="):
        for words in (["status"], ["status", "bot0"], ["infra", "apply"], ["doctor"]):
            code, seen = trial.code(
                *["docker", "compose", "exec", "-T", "-e", pair, "worker-cpu", "huggingtweets"],
                *words,
            )
            sure("Traceback" not in seen, f"{pair} {words}: {seen}")
            if pair.endswith("wrong"):
                sure(code != 0 and "refuses the keys" in seen, f"{words}: {code} {seen}")
    return "`exec worker-cpu huggingtweets status` 0; refused keys: one line, no traceback"


def night(trial: Trial) -> str:
    """A night over two machines, of which one loses its worker in the middle of a training."""
    run = trial.start_run("nightly", night="2026-01-31", chunk=CHUNK)

    def in_the_middle() -> bool:
        sure(trial.state(run) not in ENDED, f"the night ended: {trial.state(run)}")
        said = trial.compose("logs", "--no-log-prefix", "--tail", "1", "worker-train")
        share = re.search(r"training +(\d+) %", said)
        return bool(share) and 20 <= int(share[1]) <= 80

    wait("the middle of a training", in_the_middle, 300, 0.2)
    (worker,) = trial.containers("worker-train")
    trial.kill(worker)
    killed = time.monotonic()
    wait("the night", lambda: trial.state(run) in ENDED, 600)
    after = time.monotonic() - killed
    sure(trial.state(run) == "Completed", trial.state(run))
    released_once(trial)
    (again,) = trial.containers("worker-train")
    sure(again["RestartCount"] == 1, again["State"])
    logs = trial.compose("logs", "--no-log-prefix", "worker-train", "worker-train-2")
    resumed = re.search(r"resuming from step \d+ of \d+", logs)
    sure(resumed, logs[-3000:])
    return (
        f"{len(BOTS)} bots released once each over two workers; one killed, the night done "
        f"{after:.0f} s later; {resumed[0]}"
    )


def released_once(trial: Trial) -> None:
    """Every bot of the registry has one release, and there is no other."""
    registry = yaml.safe_load((trial.tree / "infra" / "bots" / "bots.yaml").read_text())
    names = [name for entry in registry["bots"] for name in entry["handles"]]
    found = {name: len(releases) for name, releases in trial.releases().items()}
    if found != dict.fromkeys(names, 1):
        shown = trial.inside("worker-cpu", "huggingtweets", "status")
        runs = trial.inside("worker-cpu", "prefect", "flow-run", "ls")
        raise Failed(f"{found}\n{shown}\n{runs}")


def pause_and_resume(trial: Trial) -> str:
    """A paused pool starts nothing; resumed, it does."""
    trial.book("pause")
    run = trial.start_run("nightly", night="2026-02-01", chunk=CHUNK)
    time.sleep(25)
    sure(trial.state(run) in {"Scheduled", "Late"}, trial.state(run))
    trial.book("resume")
    wait("the run", lambda: trial.state(run) == "Completed", 180)
    released_once(trial)
    return "25 s paused: not started; resumed: completed, nothing released twice"


def rotate_api(trial: Trial) -> str:
    """A new login; the old one is refused."""
    old = trial.login()
    trial.book("rotate-api")
    sure(trial.login() != old, "the login is the old one")
    path = f"{API}/flow_runs/filter"
    wait("the server", lambda: httpx.get(f"{API}/health").status_code == 200, 90)
    sure(httpx.post(path, json={}, auth=old).status_code == 401, "the old login is accepted")
    finish(trial, "2026-02-02")
    return "old login 401; a run after it completed"


def rotate_redis(trial: Trial) -> str:
    """A new password of Redis; the old one is refused."""
    file = trial.tree / "infra" / "secrets" / "redis_url"
    old = file.read_text().split("@")[0].rpartition(":")[2]
    trial.book("rotate-redis")
    ping = ["docker", "compose", "exec", "-T", "redis", "redis-cli", "-a"]
    sure("WRONGPASS" in trial.code(*ping, old, "ping")[1], "the old password is accepted")
    new = file.read_text().split("@")[0].rpartition(":")[2]
    sure("PONG" in trial.code(*ping, new, "ping")[1], "the new password is refused")
    finish(trial, "2026-02-03")
    return "old password WRONGPASS; a run after it completed"


def rotate_database(trial: Trial) -> str:
    """A new password of PostgreSQL; the old one is refused, also over the network."""
    file = trial.tree / "infra" / "secrets" / "database_password"
    old = file.read_text()
    trial.book("rotate-database")
    for password, right in ((old, False), (file.read_text(), True)):
        code, seen = trial.code(
            *["docker", "compose", "exec", "-T", "-e", f"PGPASSWORD={password}", "database"],
            *["psql", "-h", "database", "-U", "prefect", "-c", "select 1"],
        )
        sure((code == 0) is right, f"{right}: {seen}")
    finish(trial, "2026-02-04")
    return "old password refused; a run after it completed"


def rotate_s3(trial: Trial) -> str:
    """New keys of the store; the old ones are refused, the releases are still there."""
    secrets = trial.tree / "infra" / "secrets"
    old = (secrets / "s3_key").read_text()
    trial.book("rotate-s3")
    command = ["docker", "compose", "exec", "-T", "-e", f"AWS_ACCESS_KEY_ID={old}", "worker-cpu"]
    code, seen = trial.code(*command, "huggingtweets", "status")
    sure(code != 0 and "refuses the keys" in seen, seen)
    released_once(trial)
    finish(trial, "2026-02-05")
    return "old key refused, all releases there, a run after it completed"


def use_the_page(trial: Trial) -> str:
    """The page with the bots, behind its token, which is then replaced."""
    page = "http://127.0.0.1:4300"
    file = trial.tree / "infra" / "secrets" / "web_token"
    old = file.read_text()
    sure(httpx.get(f"{page}/api/bots").status_code == 401, "no token, and no 401")
    bots = httpx.get(f"{page}/api/bots", headers={"Authorization": f"Bearer {old}"})
    sure(bots.status_code == 200 and all(name in bots.text for name in BOTS), bots.text)
    trial.book("rotate-web")
    for token, code in ((old, 401), (file.read_text(), 200)):
        answer = httpx.get(f"{page}/api/bots", headers={"Authorization": f"Bearer {token}"})
        sure(answer.status_code == code, f"{answer.status_code} instead of {code}")
    return "401 without token, all bots with it; rotated: old token 401, new 200"


def rotate_token(trial: Trial) -> str:
    """A new token of the Hub, without a restart."""
    trial.book("rotate-token", NEW_TOKEN=NEW_TOKEN)
    code = "from tasks.core.settings import settings as s; print(s().hub_token.get_secret_value())"
    seen = trial.inside("worker-train", "python", "-c", code)
    sure(seen.strip() == NEW_TOKEN, seen)
    trial.book("rotate-token", NEW_TOKEN="")
    return "a new process of a running worker reads the new token"


def finish(trial: Trial, night: str) -> None:
    """A night that has nothing to do, through pools, workers, database, Redis and bucket."""
    run = trial.start_run("nightly", night=night, chunk=CHUNK)
    wait(f"night {night}", lambda: trial.state(run) == "Completed", 240)


def restore_database(trial: Trial) -> str:
    """Back up, destroy the volume, restore: the history is there."""
    count = trial.ask("/flow_runs/count")
    trial.book("back-up")
    dump = trial.tree / "prefect.dump"
    sure(dump.read_bytes()[:5] == b"PGDMP", "no dump")
    trial.compose("rm", "--stop", "--force", "database")
    trial.run("docker", "volume", "rm", "huggingtweets_database")
    trial.environment["TRIAL_SLOW"] = "0"
    trial.book("restore")
    wait("the server", lambda: httpx.get(f"{API}/health").status_code == 200, 90)
    sure(trial.ask("/flow_runs/count") >= count, "the history is gone")
    finish(trial, "2026-02-06")
    released_once(trial)
    return f"{dump.stat().st_size / 1e6:.1f} MB; {count} runs before and after; a run completed"


def upgrade(trial: Trial) -> str:
    """A second build while a training is under way."""
    bots = dict.fromkeys(BOTS, POSTS) | dict.fromkeys(LATE, LONG)
    write_bots(trial.tree / "infra" / "bots", bots)
    source = trial.tree / "deployments" / "__init__.py"
    source.write_text(source.read_text() + "\n# The second build.\n")
    run = trial.start_run("nightly", night="2026-02-07", chunk=CHUNK)
    wait(
        "a training", lambda: trial.training_on("compose") or trial.training_on("second"), 200, 0.3
    )
    before = trial.run("docker", "image", "inspect", "--format", "{{.Id}}", "huggingtweets:cpu")
    seen = trial.book("upgrade")
    after = trial.run("docker", "image", "inspect", "--format", "{{.Id}}", "huggingtweets:cpu")
    sure(before != after, "the second build is the first")
    for service in OURS:
        for each in trial.containers(service):
            sure(each["Image"] == after.strip(), f"{service} runs the old image")
    wait("the night", lambda: trial.state(run) == "Completed", 400)
    released_once(trial)
    logs = trial.compose("logs", "--no-log-prefix", "worker-train", "worker-train-2")
    resumed = re.search(r"resuming from step \d+ of \d+", logs)
    sure(resumed, f"the new workers resumed nothing: {logs[-3000:]}")
    cached = seen.count("Using cache")
    return f"all on the new image ({cached} build steps cached); {resumed[0]}, released once"


def docker_jobs(trial: Trial) -> str:
    """A container for each run, as the runbook says; then on a machine without a GPU."""
    bots = dict.fromkeys([*BOTS, *JOBS], POSTS) | dict.fromkeys(LATE, LONG)
    write_bots(trial.tree / "infra" / "bots", bots)
    trial.compose("stop", "worker-train-2")
    trial.book("job-secrets")
    trial.environment["COMPOSE_FILE"] += ":infra/compose.docker.yaml"
    trial.environment["DOCKER_GROUP"] = str(Path("/var/run/docker.sock").stat().st_gid)
    trial.book("docker-jobs")
    gone = trial.start_run("retrain", bots=[{"name": "job0"}])
    wait("a run without a GPU", lambda: trial.state(gone) in {"Crashed", "Failed"}, 120)
    seen = trial.compose("logs", "--no-log-prefix", "docker-train")
    sure("could not select device driver" in seen, seen[-2000:])
    without_gpu(trial)
    run = trial.start_run("nightly", night="2026-02-08", chunk=CHUNK)
    jobs: set[str] = set()

    def ended() -> bool:
        listed = trial.run(
            *["docker", "ps", "--quiet", "--no-trunc", "--filter", "label=io.prefect.flow-run-id"]
        )
        for job in set(listed.split()) - jobs:
            code, text = trial.code("docker", "inspect", job)
            if code == 0:
                jobs.add(job)
                word = trial.login()[1]
                sure(word not in text, "the login is in `docker inspect` of a run")
                sure(json.loads(text)[0]["HostConfig"]["ReadonlyRootfs"], "a run can write")
        return trial.state(run) in ENDED

    wait("the night", ended, 400)
    sure(
        trial.state(run) == "Completed", trial.compose("logs", "docker-cpu", "docker-train")[-4000:]
    )
    released_once(trial)
    return f"without a GPU: Crashed, said why; then a night in {len(jobs)} containers, 2 releases"


def without_gpu(trial: Trial) -> None:
    """The training pool's template as an operator changes it for a machine without a GPU."""
    pool = httpx.get(f"{API}/work_pools/train", auth=trial.login()).raise_for_status().json()
    job = pool["base_job_template"]["job_configuration"]
    job["image"] = "huggingtweets:cpu"
    del job["container_create_kwargs"]["device_requests"]
    body = {"base_job_template": pool["base_job_template"]}
    httpx.patch(f"{API}/work_pools/train", json=body, auth=trial.login()).raise_for_status()


def missing_gpu(trial: Trial) -> str:
    """compose.yaml alone, on a machine without a GPU."""
    trial.run("docker", "tag", "huggingtweets:cpu", "huggingtweets:gpu")
    code, seen = trial.code(
        *["docker", "compose", "-f", "infra/compose.yaml", "up", "-d", "--no-deps", "--no-build"],
        "worker-gpu",
    )
    sure(code != 0, "a GPU was found: run this on a machine without one")
    line = next((line for line in seen.splitlines() if "device driver" in line), "")
    trial.run("docker", "compose", "-f", "infra/compose.yaml", "rm", "--force", "worker-gpu")
    sure(line, seen)
    return f"ends at once: {line.strip()[:110]}"


def missing_registry(trial: Trial) -> str:
    """A night whose registry is not there fails, and says so."""
    file = trial.tree / "infra" / "bots" / "bots.yaml"
    file.rename(file.with_name("elsewhere"))
    run = trial.start_run("nightly", night="2026-03-01", chunk=CHUNK)
    wait("the night", lambda: trial.state(run) in ENDED, 180)
    answer = httpx.get(f"{API}/flow_runs/{run}", auth=trial.login()).json()
    file.with_name("elsewhere").rename(file)
    message = answer["state"]["message"]
    sure(answer["state"]["name"] == "Failed" and "bots.yaml" in message, answer["state"])
    finish(trial, "2026-03-02")
    return f"Failed: {message[:90]}; the next night, with it, completed"


def full_volume(trial: Trial) -> str:
    """A training whose temporary folder is full."""
    secrets = trial.folder / "job-secrets"
    trial.run("infra/job-secrets.sh", str(secrets))
    environment = {
        **dict(
            line.split("=", 1)
            for line in (trial.tree / "infra" / "settings.env").read_text().splitlines()
        ),
        "PREFECT_API_URL": "http://server:4200/api",
        "HUGGINGTWEETS_REGISTRY": "/etc/huggingtweets/bots.yaml",
        "HUGGINGTWEETS_STORAGE": trial.inside("worker-cpu", "printenv", "HUGGINGTWEETS_STORAGE"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    given = [f"--env={name}={value.strip()}" for name, value in environment.items()]
    code, seen = trial.code(
        *["docker", "run", "--rm", "--network", "huggingtweets_inner", "--read-only", *given],
        *["--tmpfs", "/tmp:size=300k,mode=1777"],
        *["--tmpfs", "/var/lib/prefect:uid=10001,gid=10001,mode=0700"],
        *["--volume", f"{secrets}:/run/secrets:ro"],
        *["--volume", f"{trial.tree / 'infra/bots'}:/etc/huggingtweets:ro"],
        *["huggingtweets:cpu", "huggingtweets", "retrain", "bot0", "--force"],
    )
    sure(code == 1 and "temporary folder /tmp" in seen, f"{code}: {seen[-3000:]}")
    sure("Traceback" not in seen, seen[-3000:])
    status = json.loads(trial.inside("worker-cpu", "huggingtweets", "status", "--json"))
    (bot,) = [each for each in status if each["bot"] == "bot0"]
    sure(not bot["parked"], bot)
    line = next(line for line in reversed(seen.splitlines()) if "no space is left" in line)
    reason = line.partition("temporary")[2].partition(", used")[0]
    return f"exit 1, no traceback, not parked: temporary{reason}: no space is left"


def kubernetes(trial: Trial) -> str:
    """The manifests that Prefect would send, and ours, against the API's schema."""
    environment = trial.folder / "kubernetes"
    python = str(environment / "bin" / "python")
    if not Path(python).exists():
        trial.run(sys.executable, "-m", "venv", str(environment))
    # On top of this environment, which stays as it is.
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = environment / "lib" / version / "site-packages"
    (site / "ours.pth").write_text(sysconfig.get_path("purelib"))
    packages = ["prefect-kubernetes==0.8.0", "kubernetes-validate"]
    trial.run(python, "-m", "pip", "install", "--quiet", *packages)
    templates = trial.inside("worker-cpu", "python", "-c", TEMPLATES)
    script = str(trial.tree / HERE / "manifests.py")
    seen = trial.run(python, script, "infra/kubernetes.yaml", given=templates)
    return f"{len(seen.splitlines())} validations passed, jobs of both pools with them"


TEMPLATES = """
import json
from deployments.server.work_pools import template
print(json.dumps({name: template("kubernetes", name) for name in ("cpu", "train")}))
"""


def systemd(trial: Trial) -> str:
    """The unit of a bare machine under systemd: it runs, comes back, and is well closed."""
    context = trial.folder / "systemd"
    shutil.copytree(images.FOLDER / "systemd", context, dirs_exist_ok=True)
    for unit in (trial.tree / "infra").glob("*.service"):
        shutil.copy(unit, context)
    trial.run("docker", "build", "-t", "huggingtweets-trial/systemd", str(context))
    name, word = trial.login()
    secrets = trial.tree / "infra" / "secrets"
    lines = {
        "PREFECT_API_URL": "http://server:4200/api",
        "PREFECT_API_AUTH_STRING": f"{name}:{word}",
        "AWS_ACCESS_KEY_ID": (secrets / "s3_key").read_text(),
        "AWS_SECRET_ACCESS_KEY": (secrets / "s3_secret").read_text(),
        "AWS_EC2_METADATA_DISABLED": "true",
        "HUGGINGTWEETS_STORAGE": trial.inside(
            "worker-cpu", "printenv", "HUGGINGTWEETS_STORAGE"
        ).strip(),
    }
    file = trial.folder / "worker.env"
    file.write_text("".join(f'{key}="{value}"\n' for key, value in lines.items()))
    file.chmod(0o600)
    trial.run(
        *["docker", "run", "--detach", "--name", "huggingtweets-systemd"],
        *["--network", "huggingtweets_inner", "--cap-add", "SYS_ADMIN"],
        *["--security-opt", "seccomp=unconfined", "--cgroupns", "host"],
        *["--volume", "/sys/fs/cgroup:/sys/fs/cgroup", "--tmpfs", "/run", "--tmpfs", "/run/lock"],
        *["--volume", f"{file}:/etc/huggingtweets/worker.env:ro", "huggingtweets-trial/systemd"],
    )
    inside = ["docker", "exec", "huggingtweets-systemd"]
    unit = "huggingtweets-worker@train"
    try:
        wait("systemd", lambda: trial.code(*inside, "systemctl", "list-units")[0] == 0, 60)
        trial.run(*inside, "systemctl", "start", unit)

        def begun() -> bool:
            return "started!" in trial.run(*inside, "journalctl", "-o", "cat", "-u", unit)

        wait("the worker", begun, 120)
        main = trial.run(*inside, "systemctl", "show", "-P", "MainPID", unit).strip()
        trial.run(*inside, "kill", "-9", main)

        def back() -> bool:
            now = trial.run(*inside, "systemctl", "show", "-P", "MainPID", unit).strip()
            return now not in {"0", main}

        seconds = wait("the unit to come back", back, 60)
        score = trial.run(*inside, "systemd-analyze", "security", "--no-pager", unit)
        overall = score.strip().splitlines()[-1]
        print("\n".join(f"    {line}" for line in score.splitlines() if "✗" in line))
        value = float(re.search(r"([0-9.]+) \w+", overall.partition(": ")[2])[1])
        sure(value < 4, overall)
    finally:
        trial.code("docker", "rm", "--force", "huggingtweets-systemd")
    return f"runs; back {seconds:.0f} s after SIGKILL; {overall.lstrip('→ ')}"


Step = Callable[[Trial], str]
STEPS: tuple[Step, ...] = (
    have_images,
    build,
    look_into_the_image,
    start,
    look_at_the_api,
    look_at_the_ui,
    look_at_the_containers,
    use_the_command,
    night,
    upgrade,
    pause_and_resume,
    rotate_api,
    rotate_redis,
    rotate_database,
    rotate_s3,
    use_the_page,
    rotate_token,
    restore_database,
    missing_registry,
    missing_gpu,
    full_volume,
    kubernetes,
    systemd,
    docker_jobs,
)
