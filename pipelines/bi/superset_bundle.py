"""The ready Superset dashboard as one file to import.

Belongs here: completing ``docs/superset`` with the columns of the contracts and the place of the published database.
Must not be here: what the dashboard shows; it is in ``docs/superset``. Nothing of Superset is imported.

``python -m pipelines.bi.superset_bundle DATABASE OUT`` writes it.
"""

import sys
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote
from zipfile import ZIP_DEFLATED, ZipFile

import yaml

from data_contracts import Column, contract

DASHBOARD = Path(__file__).resolve().parents[2] / "docs" / "superset"
ROOT = "indirect_trust"
"""The one folder inside the file; Superset drops its name."""


def bundle(database: str, out: Path) -> Path:
    """Write the dashboard as a file for Superset's import; returns its path.

    Parameters
    ----------
    database : str
        Absolute path of the published database as the machine or container of Superset sees it.
    out : Path
        The file to write, ``*.zip``.
    """
    with ZipFile(out, "w", ZIP_DEFLATED) as file:
        for path in sorted(DASHBOARD.rglob("*.yaml")):
            name = path.relative_to(DASHBOARD)
            part = _completed(yaml.safe_load(path.read_text("utf-8")), database)
            file.writestr(f"{ROOT}/{name.as_posix()}", _text(part))
    return out


def uri(database: str) -> str:
    """The address that Superset connects to: read-only, so that many readers may open the file at once."""
    return f"duckdb:///{quote(database)}?access_mode=READ_ONLY"


def _completed(part: dict[str, Any], database: str) -> dict[str, Any]:
    if "sqlalchemy_uri" in part:
        return part | {"sqlalchemy_uri": uri(database)}
    if "table_name" in part:
        return part | {"columns": _columns(part["table_name"], part["columns"])}
    return part


def _columns(table: str, described: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The columns of the contract, with the labels of the dashboard; then those that the dashboard computes."""
    labels = {column["column_name"]: column for column in described}
    of_contract = [_column(column) for column in contract(table).columns]
    names = {column["column_name"] for column in of_contract}
    computed = [column for column in described if column["column_name"] not in names]
    return [column | labels.get(column["column_name"], {}) for column in of_contract] + computed


def _column(column: Column) -> dict[str, Any]:
    return {
        "column_name": column.name,
        "type": column.type,
        "is_dttm": column.type in ("DATE", "TIMESTAMP"),
        "is_active": True,
        "groupby": True,
        "filterable": True,
        "description": f"{column.description_en} / {column.description_zh}",
    }


def _text(part: dict[str, Any]) -> str:
    return str(yaml.safe_dump(part, allow_unicode=True, sort_keys=False))


def _main(arguments: list[str]) -> int:
    match arguments:
        case [database, out] if PurePosixPath(database).is_absolute():
            print(bundle(database, Path(out)))
            return 0
    print("usage: python -m pipelines.bi.superset_bundle /absolute/path/bi.duckdb OUT.zip", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
