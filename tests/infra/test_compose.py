"""What can be said of the containers without an engine to run them."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.settings import Settings as PrefectSettings
from prefect.settings.legacy import _get_settings_fields
from prefect_redis.client import RedisMessagingSettings

from deployments.server.prefect_settings import NO_TELEMETRY, SERVER_COMMAND
from deployments.web.local_server import prefect_ui
from tasks.core.settings import Settings

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
SECRETS = [
    *["database_password", "redis.conf", "redis_url", "api_login", "s3.json", "s3_key"],
    *[
        "s3_secret",
        "hub_token",
        "community_archive_key",
        "x_bearer_token",
        "wandb_api_key",
        "notify_url",
        "web_token",
    ],
]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text())
    return found


def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def test_docker_compose_accepts_it() -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed")
    done = subprocess.run(
        [program, "-f", str(INFRA / "compose.yaml"), "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    for name, service in services(compose).items():
        tag = service["image"].partition(":")[2]
        assert tag, name
        assert tag != "latest", name


def test_all_that_is_named_is_defined_and_used(compose: dict[str, Any]) -> None:
    used: dict[str, set[str]] = {"secrets": set(), "networks": set(), "volumes": set()}
    for service in services(compose).values():
        for secret in service.get("secrets", []):
            used["secrets"].add(secret if isinstance(secret, str) else secret["source"])
        used["networks"] |= set(service["networks"])
        mounted = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        used["volumes"] |= {name for name in mounted if name[0] not in "./"}
        assert set(service.get("depends_on", {})) <= set(services(compose))
    for kind, names in used.items():
        assert names == set(compose[kind]), kind


def test_each_service_that_others_wait_for_says_whether_it_is_well(compose: dict[str, Any]) -> None:
    for name, service in services(compose).items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services(compose)[other], f"{name} waits for {other}"
        assert service["restart"] in ("unless-stopped", "on-failure"), name


def prefect_variables() -> set[str]:
    redis = {
        f"PREFECT_REDIS_MESSAGING_{name.upper()}" for name in RedisMessagingSettings.model_fields
    }
    return {name for name in _get_settings_fields(PrefectSettings) if name.isupper()} | redis


def our_variables() -> set[str]:
    return {f"HUGGINGTWEETS_{name.upper()}" for name in Settings.model_fields}


def test_each_variable_means_something(compose: dict[str, Any]) -> None:
    known = prefect_variables() | our_variables()
    others = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE"}
    others |= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"}
    for name, service in services(compose).items():
        given = set(service.get("environment", {}))
        given |= {s["target"] for s in service.get("secrets", []) if isinstance(s, dict)}
        assert given <= known | others, name


def test_every_build_has_its_dockerfile_and_no_unknown_argument(compose: dict[str, Any]) -> None:
    arguments = set(re.findall(r"^ARG (\w+)", (INFRA / "Dockerfile").read_text(), re.MULTILINE))
    for name, service in services(compose).items():
        if build := service.get("build"):
            assert (INFRA / build["context"] / build["dockerfile"]).is_file(), name
            assert set(build.get("args", {})) <= arguments, name


def test_no_secret_stands_in_the_file(compose: dict[str, Any]) -> None:
    for name, service in services(compose).items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET|KEY|AUTH", variable):
                assert variable.endswith("_FILE"), f"{name}: {variable}"
            assert "@" not in value, f"{name}: {variable} holds a login"


def test_several_servers_share_all_that_they_must(compose: dict[str, Any]) -> None:
    for name in ("server", "services"):
        given = services(compose)[name]["environment"]
        shared = {key for key, value in given.items() if value.startswith("prefect_redis.")}
        assert len(shared) == 5, name
        targets = {each["target"] for each in services(compose)[name]["secrets"]}
        assert {"PREFECT_SERVER_DOCKET_URL", "PREFECT_SERVER_API_AUTH_STRING"} <= targets
    assert "--no-services" in services(compose)["server"]["command"]


def test_servers_are_guarded_and_know_the_names_that_they_are_reached_by(
    compose: dict[str, Any],
) -> None:
    server = services(compose)["server"]
    assert server["command"][1:3] == SERVER_COMMAND[1:3]
    published, _, inner = server["ports"][0].rpartition(":")
    first, _, last = published.rpartition(":")[2].partition("-")
    others = [port for port in range(int(first), int(last) + 1) if port != int(inner)]
    wanted = {
        "server",
        *(f"{name}:{port}" for name in ("localhost", "127.0.0.1") for port in others),
    }
    assert set(json.loads(server["environment"]["HUGGINGTWEETS_HOSTS"])) == wanted
    assert server["environment"]["PREFECT_API_URL"] == f"http://server:{inner}/api"


def test_nothing_in_the_image_sends_usage_data() -> None:
    text = (INFRA / "Dockerfile").read_text()
    for name, value in NO_TELEMETRY.items():
        assert f"{name}={value}" in text


def test_the_image_is_installed_as_locked() -> None:
    text = (INFRA / "Dockerfile").read_text()
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (torch,) = [each for each in wanted if each.startswith("torch==")]
    assert re.findall(r"torch==\S+", text) == [torch]
    assert "--no-deps --require-hashes -r /tmp/requirements.lock" in text
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        assert all((ROOT / each).exists() for each in copied.split()), copied


def test_the_image_has_a_user_and_a_group_of_its_own() -> None:
    text = (INFRA / "Dockerfile").read_text()
    user = re.search(r"groupadd --gid (\d+) (\S+)[\s\\&]*useradd --uid \1 --gid \1 .*", text)
    assert user
    assert text.split("\nFROM ")[-1].splitlines()[-2] == f"USER {user[2]}"


def test_layers_that_change_seldom_come_first() -> None:
    stages = (INFRA / "Dockerfile").read_text().split("\nFROM ")
    final = stages[-1]
    assert final.startswith("packages\n"), "packages come before code"
    assert final.index("COPY --from=fonts") < final.index("COPY . /app")


def test_every_builder_leaves_out_secrets_tests_and_history() -> None:
    kept = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert kept[0] == "*", "nothing goes in that is not named"
    named = {line[1:] for line in kept if line.startswith("!")}
    assert all((ROOT / each).exists() for each in named)
    assert not named & {"tests", ".git", ".env"}
    assert {"infra/secrets", "infra/bots", "infra/settings.env", "**/.env"} <= set(kept)
    assert not list(INFRA.glob("*.dockerignore")), "the classic builder reads none but the root's"


def test_links_to_the_ui_name_a_host_that_browsers_know(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in services(compose)["web"]["environment"].items():
        monkeypatch.setenv(name, value)
    assert prefect_ui() == "http://127.0.0.1:4200"


def test_a_machine_without_gpu_trains_with_the_same_worker(compose: dict[str, Any]) -> None:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!reset", lambda *_: "reset")
    changed = yaml.load((INFRA / "compose.cpu.yaml").read_text(), Loader)["services"]  # noqa: S506
    assert changed["worker-gpu"] == "reset"
    train = changed["worker-train"]
    assert train["extends"] == {"file": "compose.yaml", "service": "worker-cpu"}
    assert train["command"] == services(compose)["worker-gpu"]["command"]


def test_containers_of_ours_can_write_where_it_is_named(compose: dict[str, Any]) -> None:
    for name, service in services(compose).items():
        if not service["image"].startswith("huggingtweets:"):
            continue
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        volumes = [each for each in service.get("volumes", []) if not each.endswith(":ro")]
        writable = {each.partition(":")[0] for each in service.get("tmpfs", [])}
        writable |= {each.rpartition(":")[2] for each in volumes}
        assert {"/tmp", "/var/lib/prefect"} <= writable, name
        assert writable <= {"/tmp", "/var/lib/prefect", "/var/cache/huggingtweets"}, name


def test_several_servers_do_not_register_the_same_blocks(compose: dict[str, Any]) -> None:
    found = services(compose)
    for name in ("server", "services"):
        assert found[name]["environment"]["PREFECT_SERVER_REGISTER_BLOCKS_ON_START"] == "false"
        needs = found[name]["depends_on"]["migrate"]["condition"]
        assert needs == "service_completed_successfully"
    assert "deployments.server.block_types" in found["migrate"]["command"][-1]


def test_the_database_is_healthy_once_it_listens_to_others(compose: dict[str, Any]) -> None:
    test = services(compose)["database"]["healthcheck"]["test"]
    assert test[:4] == ["CMD", "pg_isready", "--host", "127.0.0.1"]


def test_the_ui_is_put_together_where_the_server_can_write(compose: dict[str, Any]) -> None:
    server = services(compose)["server"]
    folder = server["environment"]["PREFECT_SERVER_UI_STATIC_DIRECTORY"]
    assert any(folder.startswith(each.partition(":")[0] + "/") for each in server["tmpfs"])


def make_secrets(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    script = folder / "make-secrets.sh"
    shutil.copy(INFRA / "make-secrets.sh", script)
    return subprocess.run([script, *names], capture_output=True, text=True, check=False)


def test_secrets_are_made_once_and_renewed_by_name(tmp_path: Path, compose: dict[str, Any]) -> None:
    assert make_secrets(tmp_path).returncode == 0
    folder = tmp_path / "secrets"
    first = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(first) == set(SECRETS)
    assert {Path(each["file"]).name for each in compose["secrets"].values()} == set(SECRETS)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert first["redis_url"].split("@")[0].rpartition(":")[2] in first["redis.conf"]
    assert yaml.safe_load(first["s3.json"])["identities"][0]["credentials"] == [
        {"accessKey": first["s3_key"], "secretKey": first["s3_secret"]}
    ]
    assert make_secrets(tmp_path).stdout == ""
    inodes = {path.name: path.stat().st_ino for path in folder.iterdir()}
    again = make_secrets(tmp_path, "redis", "api")
    assert again.returncode == 0, again.stderr
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == inodes, (
        "containers see the file that they were started with"
    )
    second = {path.name: path.read_text() for path in folder.iterdir()}
    changed = {name for name in SECRETS if first[name] != second[name]}
    assert changed == {"redis.conf", "redis_url", "api_login"}
    assert make_secrets(tmp_path, "redsi").returncode == 2


def enter(folder: Path, variable: str, **environment: str) -> str:
    done = subprocess.run(
        [INFRA / "entrypoint.sh", "printenv", variable],
        env={"PATH": "/usr/bin:/bin", "SECRETS_FOLDER": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.removesuffix("\n")


def test_secret_files_become_variables(tmp_path: Path) -> None:
    (tmp_path / "PREFECT_API_AUTH_STRING").write_text("operator:a 'b' $c\n")
    (tmp_path / "AWS_ACCESS_KEY_ID").write_text("key")
    (tmp_path / "HUGGINGTWEETS_HUB_TOKEN").write_text("hf_1")
    assert enter(tmp_path, "PREFECT_API_AUTH_STRING") == "operator:a 'b' $c"
    assert enter(tmp_path, "AWS_ACCESS_KEY_ID") == "key"
    assert enter(tmp_path, "AWS_ACCESS_KEY_ID", AWS_ACCESS_KEY_ID="mine") == "mine"
    assert enter(tmp_path, "HUGGINGTWEETS_HUB_TOKEN") == "", "our settings read it themselves"
    assert enter(tmp_path / "nowhere", "PATH") == "/usr/bin:/bin"


def test_programs_of_the_image_load_the_secrets(tmp_path: Path) -> None:
    """As `docker compose exec` starts them, without the entrypoint."""
    (tmp_path / "AWS_ACCESS_KEY_ID").write_text("key")
    program = tmp_path / "printenv"
    program.symlink_to(INFRA / "entrypoint.sh")
    done = subprocess.run(
        [program, "AWS_ACCESS_KEY_ID"],
        env={"PATH": "/usr/bin:/bin", "SECRETS_FOLDER": str(tmp_path), "PROGRAMS": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "key\n"


def test_our_settings_read_secret_files(tmp_path: Path) -> None:
    (tmp_path / "HUGGINGTWEETS_HUB_TOKEN").write_text("hf_1\n")
    (tmp_path / "HUGGINGTWEETS_X_BEARER_TOKEN").write_text("")
    found = Settings(_secrets_dir=tmp_path)
    assert found.hub_token is not None
    assert found.hub_token.get_secret_value() == "hf_1"
    assert found.x_bearer_token is None, "an empty file is no token"


def test_a_worker_on_a_bare_machine_ends_with_all_that_it_started() -> None:
    text = (INFRA / "huggingtweets-worker@.service").read_text()
    assert "\nKillMode=control-group\n" in text
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        [program, "verify", "--man=no", str(INFRA / "huggingtweets-worker@.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "huggingtweets-worker" in line]
    assert [line for line in ours if "is not executable" not in line] == []
