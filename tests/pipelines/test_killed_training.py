from datetime import date

import pytest
from sklearn.linear_model import LogisticRegression

from pipelines.modelling import model_store
from pipelines.modelling.model_cards import FILES

DAY = date(2024, 1, 7)


@pytest.fixture
def stored(warehouse, monkeypatch):
    """Store the same small model; its words for people need a whole training, so they are left out."""
    monkeypatch.setattr(model_store, "pages", lambda _: dict.fromkeys(FILES.values(), b"page"))
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    return lambda: model_store.save(warehouse, "churn", model, DAY, {}, is_promoted=True)


def test_the_same_model_stored_again_keeps_the_bytes_that_the_register_knows(warehouse, stored):
    file = warehouse.settings.warehouse / stored().file
    before = file.read_bytes()
    assert stored().card["sha256"] in str(warehouse.run("select card from meta.models"))
    assert file.read_bytes() == before


def test_a_training_that_is_killed_before_it_registers_leaves_the_model_before_readable(warehouse, stored, monkeypatch):
    registered = stored()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(model_store, "_register", killed)
    with pytest.raises(KeyboardInterrupt):
        stored()
    model_store.load(warehouse, registered)


def test_a_file_that_is_damaged_is_written_again(warehouse, stored):
    file = warehouse.settings.warehouse / stored().file
    file.write_bytes(b"damaged")
    model_store.load(warehouse, stored())
