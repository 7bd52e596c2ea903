import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("indirect-trust-*"))
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
HARDENED = {
    "NoNewPrivileges": "true",
    "ProtectSystem": "strict",
    "ProtectHome": "true",
    "PrivateTmp": "true",
    "UMask": "0077",
    "User": "indirect-trust",
}
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def settings(unit: Path) -> dict[str, str]:
    lines = [line.partition("=") for line in unit.read_text().splitlines() if re.match(r"[A-Z]\w+=", line)]
    return {name: value for name, _, value in lines}


def objects() -> list[dict]:
    return [found for path in MANIFESTS for found in yaml.safe_load_all(path.read_text())]


def cron_jobs() -> dict[str, dict]:
    return {found["metadata"]["name"]: found["spec"] for found in objects() if found["kind"] == "CronJob"}


def pod(spec: dict) -> dict:
    return spec["jobTemplate"]["spec"]["template"]["spec"]


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/indirect-trust/.venv", str(ROOT / ".venv")))
    units = sorted(tmp_path.iterdir())
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_systemd_rates_the_exposure_of_each_service_as_low(unit):
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", unit]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_each_service_is_shut_in(unit):
    assert HARDENED.items() <= settings(unit).items()
    assert all(path.startswith(("/var/", "/opt/")) for path in settings(unit)["ReadWritePaths"].split())


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".timer"], ids=lambda unit: unit.stem)
def test_what_was_missed_while_the_machine_was_off_runs_when_it_is_on_again(unit):
    assert settings(unit)["Persistent"] == "true"
    assert (unit.parent / settings(unit)["Unit"]).is_file()


def test_the_night_is_at_two_and_tries_again_only_where_it_was_busy():
    folder = ROOT / "deploy" / "systemd"
    assert settings(folder / "indirect-trust-night.timer")["OnCalendar"] == "*-*-* 02:00:00"
    night = settings(folder / "indirect-trust-night.service")
    assert night["RestartPreventExitStatus"] == "1 2"
    assert night["OnFailure"] == "indirect-trust-failed.service"
    assert "MemoryMax" in night


def test_every_command_of_the_units_and_manifests_exists():
    from typer.main import get_command

    from pipelines.cli import app

    known = get_command(app).commands
    asked = [
        settings(unit)["ExecStart"].split("/trust ")[1].split() for unit in SERVICES if "/trust " in unit.read_text()
    ]
    asked += [pod(spec)["containers"][0]["args"] for spec in cron_jobs().values()]
    assert len(asked) == 6
    for command, *arguments in asked:
        options = {option for parameter in known[command].params for option in parameter.opts}
        assert {argument for argument in arguments if argument.startswith("--")} <= options


def test_the_pages_listen_on_this_machine_only():
    for text in (
        (ROOT / "Makefile").read_text(),
        (ROOT / "deploy" / "systemd" / "indirect-trust-ui.service").read_text(),
    ):
        commands = re.findall(r"(?:dg dev|dagster dev|dagster-webserver).*", text)
        assert commands
        assert all("--host 127.0.0.1" in command for command in commands)
    assert "dagster" not in str(cron_jobs()).replace("/opt/indirect-trust/.dagster", "").replace("'dagster'", "")


def test_kubernetes_knows_every_field_of_the_manifests():
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    checked = [validator.validate(found, "1.32", strict=True) for found in objects()]
    assert len(checked) >= 5


def test_no_two_nights_run_side_by_side_and_only_a_busy_one_is_tried_again():
    for spec in cron_jobs().values():
        assert spec["concurrencyPolicy"] == "Forbid"
        assert pod(spec)["restartPolicy"] == "Never"
        rules = spec["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
        assert {"containerName": "trust", "operator": "In", "values": [1, 2]} in [
            rule.get("onExitCodes") for rule in rules
        ]


def test_a_container_has_no_more_rights_than_it_needs():
    for spec in cron_jobs().values():
        assert pod(spec)["securityContext"]["runAsNonRoot"] is True
        assert pod(spec)["automountServiceAccountToken"] is False
        for container in pod(spec)["containers"]:
            rights = container["securityContext"]
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert {"requests", "limits"} <= container["resources"].keys()


def test_every_volume_that_is_mounted_is_claimed():
    claims = {found["metadata"]["name"] for found in objects() if found["kind"] == "PersistentVolumeClaim"}
    for spec in cron_jobs().values():
        volumes = {volume["name"]: volume for volume in pod(spec)["volumes"]}
        assert {mount["name"] for mount in pod(spec)["containers"][0]["volumeMounts"]} == volumes.keys()
        used = {volume["persistentVolumeClaim"]["claimName"] for volume in volumes.values() if "emptyDir" not in volume}
        assert used <= claims


def test_secrets_come_from_the_cluster_and_none_is_in_the_files():
    for spec in cron_jobs().values():
        for entry in pod(spec)["containers"][0]["env"]:
            assert "valueFrom" in entry or not re.search("KEY|SECRET|PASSWORD|WEBHOOK", entry["name"])
    (secret,) = [found for found in objects() if found["kind"] == "Secret"]
    assert set(secret["stringData"].values()) == {""}
    example = (ROOT / "deploy" / "systemd" / "environment.example").read_text()
    assert re.findall(r"^TRUST_ALERT_\w+=(.+)", example, re.MULTILINE) == []


def test_no_image_is_whatever_is_newest():
    dockerfile = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
    images = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    images += [container["image"] for spec in cron_jobs().values() for container in pod(spec)["containers"]]
    assert len(images) == 3
    for image in images:
        name, _, tag = image.rpartition(":")
        assert name
        assert re.fullmatch(r"\d+\.\d+\.\d+[\w.-]*", tag)


def test_the_image_installs_the_lock_by_hash_and_runs_as_nobody_special():
    dockerfile = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
    assert "--require-hashes --no-deps -r requirements.lock" in dockerfile
    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)
    copied = re.findall(r"^COPY (.+) \S+$", dockerfile, re.MULTILINE)
    assert all((ROOT / name).exists() for names in copied for name in names.split())
