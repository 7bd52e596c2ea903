from datetime import date
from pathlib import Path

import pytest
from test_online_retail import REAL_LOG

from data_contracts import landing_contracts
from pipelines.ingest.landing import newest_day
from pipelines.ingest.loading import load
from pipelines.ingest.online_retail import import_online_retail
from pipelines.modelling.scoring_settings import scoring_settings
from pipelines.settings import Settings
from pipelines.staging import TABLES, event_log, stage
from pipelines.warehouse import Warehouse
from trust_models.as_of import EventLog
from trust_models.evaluation import metrics
from trust_models.labels import labels
from trust_models.leakage import cut
from trust_models.rhythm import fit_rhythm
from trust_models.snapshot import ScoringSettings, take_evidence, take_features
from trust_models.training import fit_churn

CUTOFF, KNOWN = date(2011, 9, 9), date(2011, 12, 9)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[EventLog, ScoringSettings]:
    if not REAL_LOG.is_file():
        pytest.skip(f"the Online Retail log is not at {REAL_LOG}")
    folder: Path = tmp_path_factory.mktemp("online_retail")
    files = Settings(landing=folder / "landing", warehouse=folder / "warehouse")
    import_online_retail(REAL_LOG, files.landing)
    contracts = landing_contracts()
    assert newest_day(files.landing, tuple(contract.name for contract in contracts)) == KNOWN
    with Warehouse(files) as warehouse:
        for contract in contracts:
            load(warehouse, contract, KNOWN, "test")
        for table in TABLES:
            stage(warehouse, table)
        return event_log(warehouse).collect(), scoring_settings(files)


@pytest.mark.slow
def test_churn_trained_on_what_was_known_beats_the_best_simple_model_on_the_real_log(
    real: tuple[EventLog, ScoringSettings],
) -> None:
    log, settings = real
    as_of, known_at = settings.as_of(CUTOFF), settings.as_of(KNOWN)
    past = cut(log, as_of).collect()
    rhythm = fit_rhythm(past.known(as_of).collect())
    training, definition = fit_churn(past, CUTOFF, settings, rhythm)
    features = take_features(take_evidence(past, CUTOFF, settings, rhythm), settings)
    followed = labels(
        log.known(known_at).collect(), as_of=as_of, known_at=known_at, horizon_days=90, definition=definition
    )
    rows = features.join(followed.collect(), on="customer_id", how="inner", maintain_order="left", validate="1:1")
    found = metrics(rows["is_lost"].to_numpy(), training.model.predict_risk(rows))
    assert (training.model.basis, definition, len(rows)) == ("model", "silent", 3370)
    assert found["auc"] > 0.741
    assert found["brier"] < 0.2047
    assert 0.8 < found["calibration_slope"] < 1.25
