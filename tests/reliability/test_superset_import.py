import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.bi.superset_bundle import bundle

SUPERSET = os.environ.get("TRUST_SUPERSET_PYTHON", "")
"""Python of an environment with apache-superset==6.1.0 duckdb-engine 'duckdb<2' 'flask-caching<2.4' 'cachelib<0.14'
cachetools rich."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SUPERSET, reason="TRUST_SUPERSET_PYTHON names no Python that has Superset"),
]

CONFIG = """
SECRET_KEY = "only for this test: no secret at all"
SQLALCHEMY_DATABASE_URI = "sqlite:///{home}/superset.db"
WTF_CSRF_ENABLED = False
"""

ASK = """
import json, sys
from superset.app import create_app

client = create_app().test_client()
login = {"username": "admin", "password": "admin", "provider": "db"}
token = client.post("/api/v1/security/login", json=login).json["access_token"]
headers = {"Authorization": f"Bearer {token}"}
told = {}
for chart in client.get("/api/v1/chart/?q=(page_size:100)", headers=headers).json["result"]:
    answer = client.get(f"/api/v1/chart/{chart['id']}/data/", headers=headers)
    told[chart["slice_name"]] = [answer.status_code, answer.json]
dashboards = [entry["dashboard_title"] for entry in client.get("/api/v1/dashboard/", headers=headers).json["result"]]
print("ANSWER" + json.dumps({"charts": told, "dashboards": dashboards}), file=sys.stdout)
"""

Answer = dict[str, Any]


def superset(home: Path, *arguments: str) -> str:
    environment = os.environ | {
        "SUPERSET_CONFIG_PATH": str(home / "superset_config.py"),
        "SUPERSET_HOME": str(home),
        "FLASK_APP": "superset",
    }
    done = subprocess.run([SUPERSET, *arguments], env=environment, cwd=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def command(home: Path, *arguments: str) -> str:
    return superset(home, "-c", "from superset.cli.main import superset; superset()", *arguments)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("company")
    trust = Path(sys.executable).with_name("trust")
    for arguments in (
        ["simulate", folder / "sim", "--customers", "500", "--days", "430", "--seed", "3"],
        ["run", "--landing", folder / "sim" / "landing", "--warehouse", folder / "warehouse"],
    ):
        subprocess.run([trust, *arguments], check=True, capture_output=True)
    return folder / "warehouse" / "bi.duckdb"


@pytest.fixture(scope="module")
def answer(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    home = tmp_path_factory.mktemp("superset")
    (home / "superset_config.py").write_text(CONFIG.format(home=home))
    command(home, "db", "upgrade")
    person = ("--firstname", "A", "--lastname", "B", "--email", "a@example.com", "--password", "admin")
    command(home, "fab", "create-admin", "--username", "admin", *person)
    command(home, "init")
    command(home, "import-dashboards", "-p", str(bundle(str(database), home / "dashboard.zip")), "-u", "admin")
    return dict(json.loads(superset(home, "-c", ASK).rpartition("ANSWER")[2]))


def test_the_dashboard_is_imported_with_all_its_charts(answer: Answer) -> None:
    assert answer["dashboards"] == ["Customer trust and churn risk / 客户信任与流失风险"]
    files = Path(bundle.__code__.co_filename).parents[1] / "docs" / "superset" / "charts"
    assert len(answer["charts"]) == len(list(files.glob("*.yaml")))


def test_the_query_of_every_chart_runs_on_the_published_database(answer: Answer) -> None:
    failed = {
        name: told
        for name, (status, told) in answer["charts"].items()
        if status != 200 or any(result["error"] for result in told["result"])
    }
    assert failed == {}


def test_superset_counts_the_customers_that_the_night_scored(answer: Answer, database: Path) -> None:
    import duckdb

    with duckdb.connect(database, read_only=True) as bi:
        ((customers,),) = bi.execute("select count(*) from customer_scores").fetchall()
    (result,) = answer["charts"]["Customers / 客户数"][1]["result"]
    assert result["data"] == [{"customers": customers}]


def test_superset_reads_without_writing(answer: Answer, database: Path) -> None:
    assert answer["charts"]
    assert [path.name for path in database.parent.glob("bi.duckdb*")] == ["bi.duckdb"]
