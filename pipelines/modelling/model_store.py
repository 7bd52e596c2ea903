"""The model store: models as skops files with a card each, and the register that says which one is in use.

Belongs here: writing, finding, verifying and reading models. Must not be here: fitting or applying them, or the words
of their card pages (see ``model_cards``).

A model is found through ``meta.models``, never by looking into the folder, and is refused unless its file has the
fingerprint on its card, was written by the scikit-learn that reads it, and holds only types that are named here.
A model is stale, and not found, once other files belong to its training day than those it was trained on.
"""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import joblib
import skops.io

from pipelines.errors import UserError
from pipelines.ingest.deliveries import fingerprint, view_day
from pipelines.modelling.model_cards import pages
from pipelines.storage.durable_files import sync, write_durably
from pipelines.warehouse import Warehouse
from trust_models.churn_model import TRUSTED_TYPES as CHURN_TYPES

FORMAT = 2
"""Form of stored models and cards; those of another form are left alone, and new ones are trained."""

LIBRARIES = ("numpy", "scipy", "scikit-learn", "polars", "skops")
TRUSTED_TYPES = (*CHURN_TYPES, "trust_models.trust.TrustEstimator")

_MODELS = """
create table if not exists meta.models (
    kind varchar not null, version varchar not null, trained_as_of date not null, is_promoted boolean not null,
    file varchar not null, card varchar not null
)"""


@dataclass(frozen=True)
class Registered:
    """One model of the register.

    Parameters
    ----------
    kind : {"trust", "experience", "churn"}
        What the model gives.
    version : str
        The day it was trained as of and a fingerprint of its parameters and of what had been delivered.
    trained_as_of : date
        The last day whose knowledge it was trained on.
    is_promoted : bool
        Whether it may be used.
    file : str
        Path inside the warehouse folder.
    card : dict
        What was trained, on what, how good it is, with which libraries, and the SHA-256 of the file.
    """

    kind: str
    version: str
    trained_as_of: date
    is_promoted: bool
    file: str
    card: dict[str, Any]

    @property
    def folder(self) -> str:
        """The folder of the file and its card, inside the warehouse folder."""
        return Path(self.file).parent.as_posix()


def save(
    warehouse: Warehouse, kind: str, model: Any, trained_as_of: date, card: dict[str, Any], *, is_promoted: bool
) -> Registered:
    """Store a model with its card and the card's pages, and register it; one of the same kind and day is replaced.

    Files come first and the register last: a model that was cut off on the way is not registered. A number on the card
    that does not exist (nan), which JSON cannot say, is null.
    """
    version = f"{trained_as_of}.{joblib.hash((model, card.get('deliveries')))[:8]}"
    folder = warehouse.settings.warehouse / "models" / f"{kind}-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    versions = {name: installed(name) for name in LIBRARIES}
    content = _registered_content(warehouse, kind, version, folder, versions) or skops.io.dumps(model)
    head = {
        "format": FORMAT,
        "kind": kind,
        "version": version,
        "trained_as_of": trained_as_of,
        "is_promoted": is_promoted,
    }
    tail = {"library_versions": versions, "sha256": hashlib.sha256(content).hexdigest()}
    told = _as_json(head | card | tail)
    write_durably(folder / "model.skops", content)
    _write_card(folder, told)
    sync(folder.parent)
    file = (folder / "model.skops").relative_to(warehouse.settings.warehouse).as_posix()
    registered = Registered(kind, version, trained_as_of, is_promoted, file, told)
    _register(warehouse, registered)
    return registered


def amend(warehouse: Warehouse, registered: Registered, changes: dict[str, Any]) -> Registered:
    """Say something else on the card of a registered model, on its pages and in the register."""
    told = _as_json(registered.card | changes)
    _write_card(warehouse.settings.warehouse / registered.folder, told)
    amended = dataclasses.replace(registered, card=told)
    _register(warehouse, amended)
    return amended


def _registered_content(
    warehouse: Warehouse, kind: str, version: str, folder: Path, versions: dict[str, str]
) -> bytes | None:
    """The file of the same model where it is registered already, else None.

    Each writing of a model gives other bytes: were they moved over a registered file, a kill before the register is
    written would leave a model that is refused.
    """
    held, path = of_version(warehouse, kind, version), folder / "model.skops"
    if held is None or not path.is_file() or held.card["library_versions"] != versions:
        return None
    content = path.read_bytes()
    return content if hashlib.sha256(content).hexdigest() == held.card["sha256"] else None


def _as_json(card: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps(card, default=str), parse_constant=lambda _: None)
    return told


def _write_card(folder: Path, told: dict[str, Any]) -> None:
    text = json.dumps(told, indent=2, ensure_ascii=False)
    for name, whole in {"card.json": text.encode(), **pages(told)}.items():
        write_durably(folder / name, whole)


def _register(warehouse: Warehouse, model: Registered) -> None:
    with warehouse.transaction():
        warehouse.run(_MODELS)
        warehouse.run("delete from meta.models where kind = ? and trained_as_of = ?", (model.kind, model.trained_as_of))
        row = (model.kind, model.version, model.trained_as_of, model.is_promoted, model.file, json.dumps(model.card))
        warehouse.run("insert into meta.models values (?, ?, ?, ?, ?, ?)", row)


def newest(
    warehouse: Warehouse, kind: str, until: date, *, since: date = date.min, only_promoted: bool = True
) -> Registered | None:
    """The newest model of a kind that was trained as of a day from ``since`` to ``until`` and is not stale, or None."""
    return next(
        (
            model
            for model in _trained(warehouse, kind, since, until)
            if (model.is_promoted or not only_promoted) and is_fresh(warehouse, model)
        ),
        None,
    )


def stale(warehouse: Warehouse, kind: str, until: date, *, since: date) -> list[Registered]:
    """Models of a kind to whose training day other files belong by now than when they were trained, oldest first."""
    models = [model for model in _trained(warehouse, kind, since, until) if not is_fresh(warehouse, model)]
    return models[::-1]


def is_fresh(warehouse: Warehouse, model: Registered) -> bool:
    """Whether a model was trained on all files that belong to its day; one that does not note them counts as fresh."""
    noted = model.card.get("deliveries")
    return noted is None or noted == fingerprint(warehouse, view_day(warehouse, model.trained_as_of))


def _trained(warehouse: Warehouse, kind: str, since: date, until: date) -> Iterator[Registered]:
    """Models of a kind that were trained as of some days, the newest first."""
    warehouse.run(_MODELS)
    rows = warehouse.run(
        "select kind, version, trained_as_of, is_promoted, file, card from meta.models"
        " where kind = ? and trained_as_of between ? and ?"
        " and coalesce(cast(json_extract(card, '$.format') as integer), 1) = ? order by trained_as_of desc",
        (kind, since, until, FORMAT),
    )
    return itertools.starmap(_registered, rows)


def of_version(warehouse: Warehouse, kind: str, version: str) -> Registered | None:
    """The model of a kind and version, as the scores of a night name it, or None where it is no longer registered."""
    warehouse.run(_MODELS)
    rows = warehouse.run(
        "select kind, version, trained_as_of, is_promoted, file, card from meta.models where kind = ? and version = ?",
        (kind, version),
    )
    return _registered(*rows[0]) if rows else None


def _registered(kind: str, version: str, trained_as_of: date, is_promoted: bool, file: str, card: str) -> Registered:
    return Registered(kind, version, trained_as_of, is_promoted, file, json.loads(card))


def load(warehouse: Warehouse, registered: Registered) -> Any:
    """Read a model; whoever reads the same file again in this process is given the same object, which nobody changes.

    Raises
    ------
    UserError
        If the file is missing, is not the one that was registered, was written by another scikit-learn (major and
        minor version), or holds a type that no model of ours has.
    """
    path = warehouse.settings.warehouse / registered.file
    advice = "run 'trust train' to make a new one"
    if not path.is_file():
        raise UserError(f"{path}: the model {registered.version} is missing; {advice}, or restore the file")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != registered.card["sha256"]:
        raise UserError(f"{path}: is not the file that was registered (SHA-256 differs); {advice}, or restore the file")
    written, reading = registered.card["library_versions"]["scikit-learn"], installed("scikit-learn")
    if written.split(".")[:2] != reading.split(".")[:2]:
        raise UserError(
            f"{path}: was written by scikit-learn {written}, and {reading} is installed, which may read it otherwise;"
            f" {advice}, or install scikit-learn {written}"
        )
    stranger, model = _read(content)
    if stranger is not None:
        raise UserError(f"{path}: holds the type {stranger}, which no model of ours has; {advice}")
    return model


@lru_cache(maxsize=4)
def _read(content: bytes) -> tuple[str | None, Any]:
    """A type that no model of ours has, or None and the model; a night asks for each of its three models four times."""
    untrusted = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED_TYPES))
    return (untrusted[0], None) if untrusted else (None, skops.io.loads(content, trusted=list(TRUSTED_TYPES)))
