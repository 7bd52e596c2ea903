"""Leftovers: what a night that was killed left in the warehouse folder, cleared by the next one.

Belongs here: which files are nobody's once no night is at work. Must not be here: the warehouse file itself and its
write-ahead log, which DuckDB brings up when it opens them, or anything that is registered.
"""

import os
import shutil
from pathlib import Path

from pipelines.storage.shared_path import shared_folder
from pipelines.warehouse import SPILL, Warehouse

BUILDING = ".*.building*"
NEEDED = ("model.skops", "card.json")
"""Without these a model cannot be read."""


def clear_leftovers(warehouse: Warehouse) -> list[str]:
    """Remove unfinished files and spilled data; returns their paths inside the warehouse folder.

    Only to be called while holding the warehouse, before the first query: nobody else can be at work on them then.
    Registered models stay, and whole ones that are not registered: the rerun of the training stores them again.
    """
    folder = warehouse.settings.warehouse
    found = [*folder.glob(BUILDING), *(folder / SPILL).glob("*")]
    found += [path for tree in ("models", "reports") for path in (folder / tree).glob(f"*/{BUILDING}")]
    registered = _registered(warehouse)
    found += [model for model in (folder / "models").glob("*") if model.name not in registered and _is_half(model)]
    if warehouse.settings.spark_shared and (shared := shared_folder(warehouse.settings)).exists():
        found.append(shared)
    for path in found:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return sorted(os.path.relpath(path, folder) for path in found)


def _registered(warehouse: Warehouse) -> set[str]:
    """Names of the folders of registered models."""
    if not warehouse.has_table("meta.models"):
        return set()
    return {Path(file).parent.name for (file,) in warehouse.run("select file from meta.models")}


def _is_half(model: Path) -> bool:
    return model.is_dir() and not all((model / name).is_file() for name in NEEDED)
