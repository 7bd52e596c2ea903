"""Drift of a night: what its models see and say beside their training, and what they predicted beside what came true.

Belongs here: the distributions that a training keeps, what a night is compared with, and the verdicts.
Must not be here: the measures (see ``trust_models.drift``), their words (see ``drift_words``), or training: a night
that has moved is warned of, never stopped and never retrained.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from data_contracts import contract
from pipelines.checks import drift_words as words
from pipelines.checks.findings import Finding, keep, one_line
from pipelines.modelling.customer_parts import training_log
from pipelines.modelling.model_store import Registered, of_version
from pipelines.modelling.scoring_settings import scoring_settings
from pipelines.warehouse import Warehouse
from trust_models.as_of import EventLog
from trust_models.churn_model import ChurnModel
from trust_models.drift import (
    DRIFTS_BY_NATURE,
    Distribution,
    chance_limit,
    chance_limit_of_shares,
    distribution,
    realised,
    stability_index,
)
from trust_models.labels import labels
from trust_models.snapshot import ScoringSettings, take_evidence, take_features, take_status
from trust_models.training import TrustTraining
from trust_models.trials import Coverage, coverage_of
from trust_models.trust_scores import trust_scores

FEATURES, SCORES = "customer_features", "customer_scores"
REFERENCE_CUSTOMERS = 20_000
"""Customers whose distributions a training keeps, at most; beyond, a sample of them stands for all."""

YOUNG_DAYS = 180
"""Features look back two windows of 90 days: while less than that is recorded, all of them move as the past fills."""

NAMED = 5
"""Distributions that the warning of a night names; all of them are in ``data_quality``."""


@dataclass(frozen=True)
class Limits:
    """From where a movement is worth a word; set in the contract of ``customer_scores``.

    Parameters
    ----------
    psi_notice, psi_warning : float
        Population stability index.
    realised_points, evidence_points : float
        Percentage points: of realised churn beyond the interval of the prediction, and of the share of customers
        with too little evidence.
    """

    psi_notice: float
    psi_warning: float
    realised_points: float
    evidence_points: float

    @classmethod
    def of_contract(cls) -> "Limits":
        """As the contract sets them."""
        values: Any = contract("customer_scores").settings["drift_limits"]
        return cls(**values)


def reference(
    log: EventLog,
    day: date,
    settings: ScoringSettings,
    trust: TrustTraining,
    model: ChurnModel,
    *,
    covered: Coverage | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Distributions of the training day, as the cards of the trust and the churn model keep them.

    Parameters
    ----------
    log : EventLog
        Unmasked.
    day : date
        The training day.
    settings : ScoringSettings
        As of the nights.
    trust : TrustTraining
        The fitted trust estimators and the rhythm.
    model : ChurnModel
        The model that is stored.
    covered : callable, optional
        Coverage of all customers, where the log is a sample of them.
    """
    shown = (covered or coverage_of(log))(settings.as_of(day))
    snapshot = take_evidence(_sampled(log, day, settings), day, settings, trust.rhythm, covered=shown)
    scores = trust_scores(snapshot.evidence, trust.estimators.trust, trust.estimators.experience)
    features = take_features(snapshot, settings)
    risks = features.select("customer_id").with_columns(churn_risk=model.predict_risk(features))
    risks = risks.join(take_status(snapshot, settings), on="customer_id")
    return (
        _kept(scores.select("trust_score", "trust_experience", "trust_status")),
        _kept(features.drop("customer_id")) | _kept(_given(risks)),
    )


def check_drift(warehouse: Warehouse, as_of: date) -> list[Finding]:
    """Compare a scored night with the training of its models, and keep what was found."""
    found = drift_findings(warehouse, as_of)
    for table in (FEATURES, SCORES):
        keep(warehouse, as_of, "drift", table, [finding for finding in found if finding.table_name == table])
    return found


def drift_findings(warehouse: Warehouse, as_of: date) -> list[Finding]:
    """What can be said of a scored night: one finding a feature and score, one of evidence, one of what came true.

    What has moved farthest comes first. Reads ``features.customer_features``, ``scores.customer_days`` and
    ``scores.nights``: the night must be scored.
    """
    limits = Limits.of_contract()
    night = warehouse.records("select * from scores.nights where as_of = ?", (as_of,))[0]
    trust = of_version(warehouse, "trust", night["trust_model_version"])
    churn = of_version(warehouse, "churn", night["churn_model_version"])
    scores = warehouse.frame(
        "select trust_score, trust_experience, trust_status, churn_risk, churn_status from scores.customer_days"
        f" where as_of = date '{as_of}' and not is_reconstructed"
    )
    moves = [
        *_moves(churn, FEATURES, _features(warehouse), limits),
        *_moves(churn, SCORES, _given(scores).iter_columns(), limits),
        *_moves(trust, SCORES, scores.select("trust_score", "trust_experience").iter_columns(), limits),
    ]
    return [
        *(finding for _, finding in sorted(moves, key=lambda move: -move[0])),
        *_without_reference(trust, churn),
        *_evidence(trust, scores["trust_status"], limits),
        _came_true(warehouse, as_of, limits),
    ]


def headline(findings: Sequence[Finding]) -> str:
    """The warnings of a night in one line: first what has moved, in the order of the findings, then everything else."""
    moved = [finding for finding in findings if finding.rule == "stability_index"]
    failed = [finding for finding in moved if not finding.is_passed]
    told = [finding.text_en for finding in findings if not finding.is_passed and finding not in failed]
    if failed:
        named = ", ".join(f"{finding.column_name} ({finding.observed})" for finding in failed[:NAMED])
        more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        sentence = f"{len(failed)} of {len(moved)} features and scores have moved since training"
        told.insert(0, f"{sentence}: {named}{more} (see data_quality); {words.ADVICE[0]}")
    return "; ".join(told) or f"{len(findings)} comparisons with training: nothing to warn of"


def _sampled(log: EventLog, day: date, settings: ScoringSettings) -> EventLog:
    known = log.known(settings.as_of(day)).orders
    customers = known.select(pl.col("customer_id").unique().sort()).collect()["customer_id"]
    if len(customers) <= REFERENCE_CUSTOMERS:
        return log
    return log.of_customers(customers.sample(REFERENCE_CUSTOMERS, seed=0).sort())


def _given(risks: pl.DataFrame) -> pl.DataFrame:
    """Risks that the model gave: those of customers on record as churned are not its own."""
    return risks.filter(pl.col("churn_status") != "churned").select("churn_risk")


def _kept(frame: pl.DataFrame) -> dict[str, Any]:
    return {name: asdict(distribution(frame[name])) for name in frame.columns}


def _features(warehouse: Warehouse) -> Iterator[pl.Series]:
    """What the churn model reads, a column at a time: all columns of a large company would fill the memory."""
    read = "describe select * exclude (customer_id) from features.customer_features"
    for (name,) in warehouse.run(f"select column_name from ({read})"):
        yield warehouse.frame(f'select "{name}" from features.customer_features')[name]


def _moves(
    model: Registered | None, table: str, now: Iterable[pl.Series], limits: Limits
) -> Iterator[tuple[float, Finding]]:
    """How far each column that the card speaks of has moved since the training of the model, with its index."""
    kept: Mapping[str, Any] = {} if model is None else model.card.get("reference", {})
    for column in now:
        if model is not None and column.name in kept:
            before = Distribution.of(kept[column.name])
            after = before.again(column)
            if before.customers and after.customers:
                yield _move(model, table, column.name, before, after, limits)


def _move(
    model: Registered, table: str, name: str, before: Distribution, after: Distribution, limits: Limits
) -> tuple[float, Finding]:
    index, chance, since = stability_index(before, after), chance_limit(before, after), model.trained_as_of
    excuse = _excuse(model, name)
    if excuse is None and index <= chance:
        excuse = words.too_few(chance)
    is_warning = index >= limits.psi_warning and excuse is None
    if index < limits.psi_notice:
        texts = words.unmoved(name, index, since)
    elif excuse is not None:
        texts = words.not_judged(name, index, excuse)
    elif is_warning:
        texts = words.warned(name, index, since, words.place(before, after), limits.psi_warning)
    else:
        texts = words.noticed(name, index, since, words.place(before, after))
    return index, _finding(table, name, "stability_index", not is_warning, texts, f"PSI {index:.3f}", after.customers)


def _excuse(model: Registered, name: str) -> words.Texts | None:
    """Why a column that has moved is no reason to warn; None where there is no such reason."""
    first, last = (date.fromisoformat(day) for day in model.card["data_window"])
    if (last - first).days < YOUNG_DAYS:
        return words.too_young(YOUNG_DAYS)
    return DRIFTS_BY_NATURE.get(name)


def _without_reference(trust: Registered | None, churn: Registered | None) -> Iterator[Finding]:
    for kind, column, model in (("trust", "trust_score", trust), ("churn", "churn_risk", churn)):
        if model is None or "reference" not in model.card:
            yield _finding(SCORES, column, "reference", True, words.not_compared(kind))


def _evidence(trust: Registered | None, status: pl.Series, limits: Limits) -> Iterator[Finding]:
    """The share of customers with too little evidence, beside that at training."""
    if trust is None or "reference" not in trust.card:
        return
    before = Distribution.of(trust.card["reference"]["trust_status"])
    unknown = dict(zip(before.levels, before.counts, strict=False)).get("insufficient_evidence", 0)
    was, now = (unknown, before.customers), (int((status == "insufficient_evidence").sum()), len(status))
    shares = was[0] / was[1], now[0] / now[1]
    change = abs(shares[1] - shares[0])
    is_passed = change <= limits.evidence_points / 100 or change <= chance_limit_of_shares(was, now)
    texts = words.evidence(*shares, trust.trained_as_of, is_passed=is_passed)
    observed = f"{shares[1]:.1%}, at training {shares[0]:.1%}"
    yield _finding(SCORES, "trust_status", "evidence_share", is_passed, texts, observed, now[1])


def _came_true(warehouse: Warehouse, as_of: date, limits: Limits) -> Finding:
    """The predictions of the newest night whose window is over, beside what followed."""
    nights = warehouse.records(
        "select as_of, horizon_days, label_definition from scores.nights where as_of <= ? order by as_of", (as_of,)
    )
    over = [night for night in nights if night["as_of"] + timedelta(days=night["horizon_days"]) <= as_of]
    if not over:
        first = nights[0]["as_of"] + timedelta(days=nights[0]["horizon_days"])
        return _finding(SCORES, "churn_risk", "realised", True, words.not_yet_true(first))
    night = over[-1]
    judged = _with_outcome(warehouse, night, as_of)
    if judged.is_empty():
        return _finding(SCORES, "churn_risk", "realised", True, words.nobody_to_judge(night["as_of"]))
    found = realised(judged["is_lost"].cast(pl.Float64).to_numpy(), judged["churn_risk"].to_numpy())
    is_passed = abs(found.excess) <= limits.realised_points / 100
    texts = words.came_true(night["as_of"], night["horizon_days"], found, is_passed=is_passed)
    observed = f"predicted {found.predicted:.1%}, realised {found.share:.1%} ({found.low:.1%} to {found.high:.1%})"
    return _finding(SCORES, "churn_risk", "realised", is_passed, texts, observed, found.customers)


def _with_outcome(warehouse: Warehouse, night: Mapping[str, Any], as_of: date) -> pl.DataFrame:
    """Risks of a past night with what followed, as it is known now; where customers are many, of a sample of them."""
    settings = scoring_settings(warehouse.settings)
    known_at = settings.as_of(as_of)
    log, _ = training_log(warehouse)
    followed = labels(
        log.known(known_at),
        as_of=settings.as_of(night["as_of"]),
        known_at=known_at,
        horizon_days=night["horizon_days"],
        definition=night["label_definition"],
    )
    risks = warehouse.frame(
        f"select customer_id, churn_risk from scores.customer_days where as_of = date '{night['as_of']}'"
        " and not is_reconstructed and churn_status <> 'churned' and churn_risk is not null"
    )
    return risks.lazy().join(followed, on="customer_id", how="inner").collect()


def _finding(
    table: str,
    column: str,
    rule: str,
    is_passed: bool,
    texts: words.Texts,
    observed: str | None = None,
    checked: int | None = None,
) -> Finding:
    english, chinese = (one_line(text) for text in texts)
    said = None if observed is None else one_line(observed)
    return Finding(table, f"drift_{column}", column, rule, "warning", is_passed, checked, None, said, english, chinese)
