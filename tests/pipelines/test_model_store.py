from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.neighbors import KNeighborsClassifier

from pipelines.errors import UserError
from pipelines.model_store import load, newest, save
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse
from trust_models.btyd import MBGNBD

JANUARY, FEBRUARY = date(2024, 1, 7), date(2024, 2, 4)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with Warehouse(Settings(tmp_path / "landing", tmp_path / "warehouse")) as opened:
        yield opened


def model(seed: int = 0) -> MBGNBD:
    rng = np.random.default_rng(seed)
    tenure = rng.uniform(50, 100, 60)
    repeats = rng.poisson(2, 60)
    return MBGNBD().fit(np.column_stack([repeats, np.where(repeats > 0, tenure * rng.uniform(0.2, 1, 60), 0), tenure]))


def test_a_model_comes_back_as_it_was(warehouse: Warehouse) -> None:
    kept = save(warehouse, "churn", model(), JANUARY, {"notes": []}, is_promoted=True)
    again = load(warehouse, kept)
    rows = np.array([[2.0, 30.0, 60.0]])
    assert again.probability_active(rows, 90.0) == model().probability_active(rows, 90.0)


def test_equal_models_have_equal_versions_and_others_do_not(warehouse: Warehouse) -> None:
    first = save(warehouse, "churn", model(), JANUARY, {}, is_promoted=True).version
    assert save(warehouse, "churn", model(), JANUARY, {}, is_promoted=True).version == first
    assert save(warehouse, "churn", model(1), JANUARY, {}, is_promoted=True).version != first
    assert first.startswith("2024-01-07.")


def test_the_newest_promoted_model_known_by_the_night_is_in_use(warehouse: Warehouse) -> None:
    save(warehouse, "churn", model(), JANUARY, {}, is_promoted=True)
    save(warehouse, "churn", model(1), FEBRUARY, {}, is_promoted=False)
    night = date(2024, 3, 1)
    assert newest(warehouse, "churn", night).trained_as_of == JANUARY
    assert newest(warehouse, "churn", night, since=FEBRUARY) is None
    assert newest(warehouse, "churn", night, only_promoted=False).trained_as_of == FEBRUARY
    assert newest(warehouse, "churn", date(2024, 1, 6)) is None


def test_a_changed_file_is_refused(warehouse: Warehouse) -> None:
    kept = save(warehouse, "churn", model(), JANUARY, {}, is_promoted=True)
    path = warehouse.settings.warehouse / kept.file
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(UserError, match=r"is not the file that was registered \(SHA-256 differs\)"):
        load(warehouse, kept)


def test_a_missing_file_is_said_in_one_line(warehouse: Warehouse) -> None:
    kept = save(warehouse, "churn", model(), JANUARY, {}, is_promoted=True)
    (warehouse.settings.warehouse / kept.file).unlink()
    with pytest.raises(UserError, match=r"the model 2024-01-07\.\w+ is missing; run 'trust train'"):
        load(warehouse, kept)


def test_a_type_that_no_model_of_ours_has_is_refused(warehouse: Warehouse) -> None:
    class Stranger(KNeighborsClassifier):
        pass

    Stranger.__module__ = "stranger"
    kept = save(warehouse, "churn", MBGNBD(), JANUARY, {}, is_promoted=True)
    content = skops.io.dumps(Stranger())
    (warehouse.settings.warehouse / kept.file).write_bytes(content)
    import hashlib

    kept.card["sha256"] = hashlib.sha256(content).hexdigest()
    with pytest.raises(UserError, match=r"holds the type stranger\.Stranger, which no model of ours has"):
        load(warehouse, kept)
