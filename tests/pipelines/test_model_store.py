import hashlib
import json
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.neighbors import KNeighborsClassifier

from pipelines.errors import UserError
from pipelines.modelling.model_store import LIBRARIES, load, newest, of_version, save
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


def test_a_model_is_read_once_and_another_in_its_place_is_not_taken_for_it(warehouse: Warehouse) -> None:
    kept = save(warehouse, "churn", model(), JANUARY, {}, is_promoted=True)
    assert load(warehouse, kept) is load(warehouse, kept)
    other = save(warehouse, "churn", model(1), JANUARY, {}, is_promoted=True)
    assert load(warehouse, other) is not load(warehouse, kept)


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
    kept.card["sha256"] = hashlib.sha256(content).hexdigest()
    with pytest.raises(UserError, match=r"holds the type stranger\.Stranger, which no model of ours has"):
        load(warehouse, kept)


@pytest.mark.parametrize("place", [0, 100, -1])
def test_one_changed_byte_is_enough_to_be_refused(warehouse: Warehouse, place: int) -> None:
    kept = save(warehouse, "churn", model(), JANUARY, {}, is_promoted=True)
    path = warehouse.settings.warehouse / kept.file
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        UserError, match=r"\(SHA-256 differs\); run 'trust train' to make a new one, or restore the file"
    ):
        load(warehouse, kept)


@pytest.mark.parametrize("other", ["1.8.2", "2.9.1", "0.24.0"])
def test_a_model_of_another_scikit_learn_is_refused_with_both_versions(warehouse: Warehouse, other: str) -> None:
    kept = save(warehouse, "churn", model(), JANUARY, {}, is_promoted=True)
    kept.card["library_versions"]["scikit-learn"] = other
    text = (
        f"was written by scikit-learn {other}, and {version('scikit-learn')} is installed, which may read it otherwise;"
        f" run 'trust train' to make a new one, or install scikit-learn {other}"
    )
    with pytest.raises(UserError, match=text):
        load(warehouse, kept)


def test_a_patch_release_of_scikit_learn_reads_the_models_of_another(warehouse: Warehouse) -> None:
    kept = save(warehouse, "churn", model(), JANUARY, {}, is_promoted=True)
    major, minor, *_ = version("scikit-learn").split(".")
    kept.card["library_versions"]["scikit-learn"] = f"{major}.{minor}.99"
    assert load(warehouse, kept).get_params() == model().get_params()


def test_every_card_says_which_libraries_wrote_the_file_and_whether_it_may_be_used(warehouse: Warehouse) -> None:
    kept = save(warehouse, "churn", model(), JANUARY, {"notes": []}, is_promoted=False)
    card = json.loads((warehouse.settings.warehouse / kept.folder / "card.json").read_text(encoding="utf-8"))
    assert card == kept.card
    assert card["library_versions"] == {name: version(name) for name in LIBRARIES}
    assert card["is_promoted"] is False
    assert card["trained_as_of"] == "2024-01-07"


def test_the_register_and_the_file_hold_the_same_card(warehouse: Warehouse) -> None:
    kept = save(warehouse, "churn", model(), JANUARY, {"days": [JANUARY]}, is_promoted=True)
    found = newest(warehouse, "churn", JANUARY)
    assert found == kept
    assert found.card["days"] == ["2024-01-07"]


def test_a_number_that_does_not_exist_is_null_on_the_card(warehouse: Warehouse) -> None:
    kept = save(warehouse, "churn", model(), JANUARY, {"loss": float("nan"), "all": [float("inf")]}, is_promoted=True)
    text = (warehouse.settings.warehouse / kept.folder / "card.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert (kept.card["loss"], kept.card["all"]) == (None, [None])


def test_the_pages_of_the_card_lie_beside_it(warehouse: Warehouse) -> None:
    kept = save(warehouse, "churn", model(), JANUARY, {}, is_promoted=True)
    folder = warehouse.settings.warehouse / kept.folder
    assert sorted(path.name for path in folder.iterdir()) == [
        "card.en.md",
        "card.json",
        "card.zh-CN.md",
        "model.skops",
    ]
    assert kept.version in (folder / "card.en.md").read_text(encoding="utf-8")
    assert kept.version in (folder / "card.zh-CN.md").read_text(encoding="utf-8")


def test_a_model_is_found_by_the_version_that_scores_name(warehouse: Warehouse) -> None:
    kept = save(warehouse, "churn", model(), JANUARY, {}, is_promoted=False)
    assert of_version(warehouse, "churn", kept.version) == kept
    assert of_version(warehouse, "trust", kept.version) is None
    assert of_version(warehouse, "churn", "2024-01-07.gone") is None
