import http.server
import json
import re
import subprocess
import sys
import threading
import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-spark.lock")


def entries(lock: str) -> list[str]:
    return re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^\s*#.*\n", "", (ROOT / lock).read_text(), flags=re.M))


ENTRIES = [entry for lock in LOCKS for entry in entries(lock)]


def locked(*locks: str) -> dict[str, set[str]]:
    """Versions of each package of some locks; some have one for each platform."""
    found: dict[str, set[str]] = {}
    for entry in (entry for lock in locks for entry in entries(lock)):
        name, version = re.match(r"([\w.-]+)==(\S+)", entry).groups()
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def named() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(text) for group in groups for text in group]


def test_every_package_of_the_lock_is_pinned_by_version_and_hash():
    assert len(ENTRIES) > 100
    loose = [entry.split()[0] for entry in ENTRIES if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)]
    assert loose == []
    assert all(re.match(r"[\w.-]+==[\w.+!]+", entry) for entry in ENTRIES)


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_names_no_addresses(lock):
    assert "://" not in (ROOT / lock).read_text()


def test_the_lock_of_spark_names_no_other_versions_than_that_of_the_project():
    """It is laid over the environment: two versions of a library would not be told apart."""
    ours, theirs = ({entry.split(" ", 1)[0] for entry in entries(lock)} for lock in LOCKS)
    names = {pin.split("==")[0] for pin in ours}
    assert {pin for pin in theirs if pin.split("==")[0] in names} <= ours


def test_everything_that_the_project_names_is_locked_within_its_bounds():
    held = locked(*LOCKS)
    missing = [str(wanted) for wanted in named() if canonicalize_name(wanted.name) not in held]
    assert missing == []
    outside = [
        str(wanted)
        for wanted in named()
        if not any(wanted.specifier.contains(Version(one)) for one in held[canonicalize_name(wanted.name)])
    ]
    assert outside == []


@contextmanager
def index_of_holes(known):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(405)

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
            hole = {
                "id": "GHSA-0000",
                "published": "2024-01-01T00:00:00Z",
                "summary": "a hole",
                "details": "a hole",
                "aliases": [],
                "affected": [
                    {
                        "package": {"name": asked, "ecosystem": "PyPI"},
                        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}],
                    }
                ],
            }
            body = json.dumps({"vulns": [hole]} if asked in known else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "requirements.lock"
    path.write_text(f"jinja2==3.1.6 \\\n    --hash=sha256:{'0' * 64}\n")
    return path


def audit(lock, url):
    command = [sys.executable, ROOT / "deploy" / "audit.py", lock, "--osv-url", url]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_known_hole_fails_the_audit(lock):
    pytest.importorskip("pip_audit", reason="pip-audit is not installed")
    with index_of_holes({"jinja2"}) as url:
        done = audit(lock, url)
    assert done.returncode == 1
    assert "GHSA-0000" in done.stdout


def test_an_audit_without_holes_passes(lock):
    pytest.importorskip("pip_audit", reason="pip-audit is not installed")
    with index_of_holes(set()) as url:
        done = audit(lock, url)
    assert done.returncode == 0
    assert "not checked" not in done.stdout


def test_an_index_that_cannot_be_reached_is_no_clean_bill(lock):
    with index_of_holes(set()) as url:
        pass
    done = audit(lock, url)
    assert done.returncode == 0
    assert done.stdout.startswith("not checked: the index of known holes (http://127.0.0.1:")
    assert "No known" not in done.stdout + done.stderr


def test_a_lock_that_cannot_be_checked_is_an_error_of_its_own(lock):
    pytest.importorskip("pip_audit", reason="pip-audit is not installed")
    lock.write_text("jinja2\n")
    with index_of_holes(set()) as url:
        assert audit(lock, url).returncode == 2


def test_the_bill_of_materials_names_every_locked_package(tmp_path):
    pytest.importorskip("cyclonedx_py", reason="cyclonedx-bom is not installed")
    recipe = (
        re.search(r"cyclonedx-py (requirements .*) -o sbom\.json", (ROOT / "Makefile").read_text()).group(1).split()
    )
    out = tmp_path / "sbom.json"
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", *recipe, "-o", out]
    subprocess.run(command, cwd=ROOT, check=True)
    told = json.loads(out.read_text())
    assert told["bomFormat"] == "CycloneDX"
    assert told["metadata"]["component"]["name"] == "indirect-trust"
    named_versions = {(canonicalize_name(one["name"]), one["version"]) for one in told["components"]}
    assert named_versions == {(name, version) for name, versions in locked(LOCKS[0]).items() for version in versions}
