"""The validity study: whether the scores find the trust that simulated customers really have.

Belongs here: the way of a simulated company through landing files, loading and staging to its scores, and which
measure is taken of what. Must not be here: the measures (``trust_models.trust_validation``, ``event_study``,
``survey_validity``), or what is said about them (``validity_pages``).

Run it with ``python -m pipelines.validity.validity_study --customers 20000 --days 1095 --seed 1 --out docs``.
"""

import copy
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import polars as pl
import polars.selectors as cs
import typer

from data_contracts import landing_contracts
from pipelines.errors import UserError
from pipelines.ingest.landing_files import PARQUET, write_landing
from pipelines.ingest.loading import load
from pipelines.modelling.scoring_settings import scoring_settings
from pipelines.settings import Settings
from pipelines.staging import TABLES, event_log, stage
from pipelines.validity.validity_pages import Run, pages
from pipelines.warehouse import Warehouse
from trust_models.as_of import EventLog
from trust_models.event_study import event_study
from trust_models.labels import snapshot_days
from trust_models.simulation import KINDS, Company, simulate
from trust_models.snapshot import EvidenceSnapshot, ScoringSettings, TrialSnapshot, take_evidence, take_trials
from trust_models.streams import DIMENSIONS, EXPERIENCE_STREAMS, STREAMS
from trust_models.survey_validity import answer_profiles, convergent_validity
from trust_models.training import TrustTraining, fit_trust
from trust_models.trust import TrustEstimator
from trust_models.trust_scores import trust_scores
from trust_models.trust_validation import (
    Figure,
    Floats,
    beta_reputation,
    ceiling,
    complaint_free_rate,
    equal_strata,
    figure,
    halves,
    interval_coverage,
    predictive_gain,
    quiet_changes,
    rank_agreement,
    rfm,
    split_half,
    stratified_difference,
    summed_counts,
    thirds,
)

SCORES = ("trust_score", "trust_experience")
LEVELS = (0.8, 0.9, 0.95)
LEAST_SCORED = 30
THIRDS = ("thin", "middle", "rich")
INSTRUMENTS = ("trust", "servqual", "csat")
WINDOW_DAYS = 90
"""Days ahead in which later complaints and returns are looked for, and after which an exit counts as silence."""
FIRST_NIGHT_DAYS = 180
"""Days of history before the first month end that is scored: before, there is little to tell customers apart by."""
TRUST_STRATA = 20
"""Steps of true trust within which customers count as equally trusting."""
MOST_NIGHTS = 60


class History(NamedTuple):
    """Scores [customer_id, as_of, …] and who could have answered [customer_id, as_of, …] of the same nights."""

    scores: pl.DataFrame
    profiles: pl.DataFrame


@dataclass(frozen=True)
class Subject:
    """A company under study: its log, its scores on the last day, and the truth of the same customers in their order.

    ``scores`` and ``truth`` have one row a customer with an order, sorted by customer.
    """

    log: EventLog
    last_day: date
    training: TrustTraining
    snapshot: EvidenceSnapshot
    scores: pl.DataFrame
    truth: pl.DataFrame
    seed: int

    @property
    def settings(self) -> ScoringSettings:
        """The settings that evidence for the trained model is taken with."""
        return self.training.settings

    @property
    def latent_trust(self) -> Floats:
        """True trust of every scored customer."""
        return self.truth["latent_trust"].to_numpy()

    @cached_property
    def trials(self) -> TrialSnapshot:
        """Every trial that had matured by the last day."""
        return take_trials(self.log, self.last_day, self.settings, self.training.rhythm)


def staged(company: Company, settings: Settings) -> EventLog:
    """The event log of a simulated company, by way of landing files, loading and staging."""
    write_landing(company.frames, settings.landing, PARQUET)
    with Warehouse(settings) as warehouse:
        for contract in landing_contracts():
            load(warehouse, contract, company.calendar.last_day, "validity")
        for table in TABLES:
            stage(warehouse, table)
        return event_log(warehouse).collect()


def subject(company: Company, folder: Path, *, seed: int) -> Subject:
    """Load, train and score a simulated company as of its last day."""
    files = Settings(landing=folder / "landing", warehouse=folder / "warehouse")
    log, day = staged(company, files), company.calendar.last_day
    training = fit_trust(log, day, scoring_settings(files))
    snapshot = take_evidence(log, day, training.settings, training.rhythm)
    scores = _scores(snapshot.evidence, training)
    truth = scores.select("customer_id").join(company.truth, on="customer_id", how="left", maintain_order="left")
    return Subject(log, day, training, snapshot, scores, truth, seed)


def study(found: Subject) -> dict[str, Figure]:
    """Every measure of one company, by name."""
    nights = history(found)
    return {
        **agreement(found),
        **dimensions(found),
        **coverage_of_intervals(found),
        **around_complaints(found, nights),
        **discrimination(found),
        **reliability(found),
        **quiet_nights(found),
        **need_exits(found),
        **asked_trust(found, nights),
    }


def agreement(found: Subject) -> dict[str, Figure]:
    """Rank correlation with true trust of both scores, their ceilings and the simple rules."""
    rows = found.snapshot.evidence.sort("customer_id")
    free = complaint_free_rate(found.snapshot.known)
    scores = {
        **{f"rho/{name}": found.scores[name].to_numpy() for name in SCORES},
        **_ceilings(rows, found.latent_trust),
        "rho/josang": beta_reputation(*summed_counts(rows, EXPERIENCE_STREAMS)),
        "rho/complaint_free": rows.join(free, on="customer_id", maintain_order="left")["complaint_free"].to_numpy(),
    }
    everybody = rank_agreement(
        found.latent_trust,
        scores,
        ratios={
            "ratio/trust_score": ("rho/trust_score", "rho/ceiling"),
            "ratio/trust_experience": ("rho/trust_experience", "rho/experience_ceiling"),
        },
        differences={
            "lead/trust_experience/josang": ("rho/trust_experience", "rho/josang"),
            "lead/trust_experience/complaint_free": ("rho/trust_experience", "rho/complaint_free"),
            "lead/trust_score/trust_experience": ("rho/trust_score", "rho/trust_experience"),
        },
        seed=found.seed,
    )
    return everybody | _agreement_of_scored(found, scores)


def _agreement_of_scored(found: Subject, scores: Mapping[str, Floats]) -> dict[str, Figure]:
    """The same for the customers of whom enough is known to be given a score; nothing where they are few."""
    is_scored = found.scores["trust_status"].to_numpy() == "scored"
    names = {"scored/trust_score": "rho/trust_score", "scored/trust_experience": "rho/trust_experience"}
    names |= {"scored/ceiling": "rho/ceiling"}
    if is_scored.sum() < LEAST_SCORED:
        return dict.fromkeys((*names, "scored/ratio", "scored/lead"), Figure(None, n=int(is_scored.sum())))
    return rank_agreement(
        found.latent_trust[is_scored],
        {name: scores[of][is_scored] for name, of in names.items()},
        ratios={"scored/ratio": ("scored/trust_score", "scored/ceiling")},
        differences={"scored/lead": ("scored/trust_score", "scored/trust_experience")},
        seed=found.seed,
    )


def dimensions(found: Subject) -> dict[str, Figure]:
    """Rank correlation of each dimension score with the true trust in that dimension, and the weakest of them."""
    figures = {
        f"dimension/{name}": _rank_figure(found.truth[f"latent_{name}"], found.scores[f"trust_{name}"], found.seed)
        for name in DIMENSIONS
    }
    known = [value for value in figures.values() if value.value is not None]
    return figures | {"dimension/weakest": min(known, key=lambda figure: figure.value or 0.0, default=Figure(None))}


def coverage_of_intervals(found: Subject) -> dict[str, Figure]:
    """How many intervals of each level hold the true percentile, of all and by how much evidence there is."""
    truth, third = found.truth["trust_score"].to_numpy(), thirds(found.scores["trust_reliability"].to_numpy())
    figures = {}
    for level in LEVELS:
        posterior = _at_level(found.training.estimators.trust, level).posterior(
            found.snapshot.evidence.sort("customer_id")
        )
        key = f"coverage/{level * 100:.0f}"
        figures[key] = interval_coverage(truth, posterior.low, posterior.high)
        for place, name in enumerate(THIRDS):
            rows = third == place
            figures[f"{key}/{name}"] = interval_coverage(truth[rows], posterior.low[rows], posterior.high[rows])
    return figures


def history(found: Subject) -> History:
    """Scores and profiles of the month ends, as nights keep them in the history."""
    first = found.log.orders.select(pl.col("ordered_date").min()).collect().item()
    days = snapshot_days(
        first_order=first + timedelta(days=FIRST_NIGHT_DAYS), known_at=found.last_day, horizon_days=0, most=MOST_NIGHTS
    )
    if not days:
        raise UserError(f"the log is too short: {FIRST_NIGHT_DAYS} days and a month end are needed; raise --days")
    scores, profiles = [], []
    for day in days:
        night = take_evidence(found.log, day, found.settings, found.training.rhythm)
        scores.append(_scores(night.evidence, found.training).with_columns(as_of=pl.lit(day)))
        profiles.append(answer_profiles(night.known, as_of=night.as_of))
    return History(pl.concat(scores), pl.concat(profiles))


def around_complaints(found: Subject, nights: History) -> dict[str, Figure]:
    """The event study of complaints on the month ends."""
    ordered = found.snapshot.known.orders.select("customer_id", "ordered_date").collect()
    near = pl.col("ordered_date").is_between(pl.col("as_of").dt.offset_by("-14d"), pl.col("as_of").dt.offset_by("31d"))
    comparable = nights.scores.select("customer_id", "as_of").join(
        ordered.join(nights.scores.select("as_of").unique(), how="cross").filter(near).select("customer_id", "as_of"),
        on=["customer_id", "as_of"],
        how="semi",
    )
    return {
        f"event/{score}/{name}": value
        for score in SCORES
        for name, value in event_study(
            nights.scores, _complaints(found), comparable, score=score, seed=found.seed
        ).items()
    }


def discrimination(found: Subject) -> dict[str, Figure]:
    """Trust is not frequency; and it adds to frequency in telling what follows a day two windows before the end."""
    orders = rfm(found.snapshot.known, as_of=found.snapshot.as_of)["orders"]
    figures = {
        f"frequency/{name}": _rank_figure(orders, column, found.seed)
        for name, column in (
            *((score, found.scores[score]) for score in SCORES),
            ("latent_trust", found.truth["latent_trust"]),
        )
    }
    day = found.last_day - timedelta(days=2 * WINDOW_DAYS)
    training = fit_trust(found.log, day, found.settings)
    snapshot = take_evidence(found.log, day, training.settings, training.rhythm)
    columns = rfm(snapshot.known, as_of=snapshot.as_of).join(
        _scores(snapshot.evidence, training), on="customer_id", maintain_order="left"
    )
    for name, outcome in (("complaints", _later_complaints(found, day)), ("returns", _later_returns(found, day))):
        rows = columns.join(outcome, on="customer_id", maintain_order="left")
        gain = predictive_gain(
            rows.select(pl.col("recency_days", "orders", "amount").clip(lower_bound=0).log1p()).to_numpy(),
            rows["trust_experience"].to_numpy(),
            rows["outcome"].to_numpy(),
            seed=found.seed,
        )
        outcomes = rows["outcome"].to_numpy()
        share = figure(float(outcomes.mean()) if len(outcomes) else math.nan, n=len(outcomes))
        figures |= {f"{name}/share": share} | {f"{name}/{key}": value for key, value in gain.items()}
    return figures


def reliability(found: Subject) -> dict[str, Figure]:
    """Split-half reliability of both scores, and the reliability that the model claims."""
    hands = (_evidence_of(found, hand) for hand in halves(found.trials.trials, seed=found.seed))
    first, second = (_scores(hand, found.training) for hand in hands)
    figures = {}
    for score, estimator in zip(SCORES, found.training.estimators, strict=True):
        claimed = estimator.posterior(found.snapshot.evidence).reliability
        figures[f"reliability/{score}"] = figure(float(claimed.mean()), n=len(claimed))
        figures[f"split_half/{score}"] = split_half(first[score].to_numpy(), second[score].to_numpy(), seed=found.seed)
    return figures


def quiet_nights(found: Subject) -> dict[str, Figure]:
    """How far scores move in one night in which nothing happened."""
    eve = take_evidence(found.log, found.last_day - timedelta(days=1), found.settings, found.training.rhythm)
    before, after = (_scores(eve.evidence, found.training), eve.counts), (found.scores, found.snapshot.counts)
    return {
        f"quiet/{score}/{name}": value
        for score in SCORES
        for name, value in quiet_changes(before, after, score=score).items()
    }


def need_exits(found: Subject) -> dict[str, Figure]:
    """Scores of those whose need ended at least a window ago, less those of equally trusting customers who stayed."""
    gone_by = found.last_day - timedelta(days=WINDOW_DAYS)
    has_left = (pl.col("exit_kind") == "need") & (pl.col("exited_date") <= gone_by)
    part = found.truth.select(
        left=has_left.fill_null(value=False), stayed=pl.col("exit_kind").is_null(), trust="latent_trust"
    )
    rows = (part["left"] | part["stayed"]).to_numpy()
    strata = equal_strata(part["trust"].to_numpy()[rows], TRUST_STRATA)
    return {
        f"need/{score}": stratified_difference(
            found.scores[score].to_numpy()[rows], part["left"].to_numpy()[rows], strata, seed=found.seed
        )
        for score in SCORES
    }


def asked_trust(found: Subject, nights: History) -> dict[str, Figure]:
    """Agreement of the month ends' trust score with each survey."""
    surveys = found.snapshot.known.surveys.collect()
    tables = {
        name: convergent_validity(nights.scores, surveys, nights.profiles, instrument=name, seed=found.seed)
        for name in INSTRUMENTS
    }
    return {
        f"survey/{instrument}/{metric}": Figure(value, low, high, n)
        for instrument, table in tables.items()
        for metric, value, low, high, n in table.iter_rows()
    }


def _scores(evidence_rows: pl.DataFrame, training: TrustTraining) -> pl.DataFrame:
    return trust_scores(evidence_rows, training.estimators.trust, training.estimators.experience)


def _evidence_of(found: Subject, part: pl.DataFrame) -> pl.DataFrame:
    """Evidence of some of the trials, of everybody who is scored."""
    known = found.trials
    counts = TrialSnapshot(known.as_of, known.known, part).counts(half_life_days=found.settings.trust_half_life_days)
    every = found.snapshot.evidence
    others = every.select(pl.exclude(counts.columns[1:]))
    return counts.join(others, on="customer_id", how="left", maintain_order="left").select(every.columns)


def _complaints(found: Subject) -> pl.DataFrame:
    """[customer_id, opened_date, due_date, is_resolved] of the complaints whose outcome was due by the last day."""
    resolution = timedelta(days=found.settings.evidence.resolution_days)
    return found.trials.trials.filter(pl.col("stream") == "complaint_resolved").select(
        "customer_id",
        opened_date=pl.col("event_date") - resolution,
        due_date="event_date",
        is_resolved="is_success",
    )


def _later_complaints(found: Subject, day: date) -> pl.DataFrame:
    """[customer_id, outcome] of those who order within the window after a day: whether they complain in it."""
    log, until = found.snapshot.known, day + timedelta(days=WINDOW_DAYS)
    orders = log.orders.filter((pl.col("ordered_date") > day) & (pl.col("ordered_date") <= until))
    complaints = log.complaints.filter((pl.col("opened_date") > day) & (pl.col("opened_date") <= until))
    has_complained = complaints.select("customer_id", outcome=pl.lit(True)).unique()
    return (
        orders.select("customer_id")
        .unique()
        .join(has_complained, on="customer_id", how="left")
        .with_columns(pl.col("outcome").fill_null(value=False))
        .collect()
    )


def _later_returns(found: Subject, day: date) -> pl.DataFrame:
    """[customer_id, outcome] of those who meet a failure within the window after a day: whether they order again."""
    until = day + timedelta(days=WINDOW_DAYS)
    failures = (
        found.trials.trials.filter(
            ~pl.col("is_success")
            & pl.col("stream").cast(pl.String).is_in(EXPERIENCE_STREAMS)
            & (pl.col("event_date") > day)
            & (pl.col("event_date") <= until)
        )
        .group_by("customer_id")
        .agg(failed_date=pl.col("event_date").min())
    )
    waited = (pl.col("ordered_date") - pl.col("failed_date")).dt.total_days()
    return (
        failures.join(found.snapshot.known.orders.select("customer_id", "ordered_date").collect(), on="customer_id")
        .group_by("customer_id")
        .agg(outcome=((waited > 0) & (waited <= WINDOW_DAYS)).any())
    )


def _counts(rows: pl.DataFrame, streams: Sequence[str]) -> Floats:
    """Faded successes, then failures, of some streams, of shape (customers, 2 · streams)."""
    return rows.select(f"{side}_{stream}" for side in ("r", "s") for stream in streams).to_numpy()


def _ceilings(rows: pl.DataFrame, truth: Floats) -> dict[str, Floats]:
    """What can be told from the counts of each score, from the numbers of trials alone, and with the groups beside."""
    counts = _counts(rows, STREAMS)
    groups = rows.select(cs.string().exclude("customer_id")).to_dummies().to_numpy()
    return {
        "rho/ceiling": ceiling(counts, truth),
        "rho/experience_ceiling": ceiling(_counts(rows, EXPERIENCE_STREAMS), truth),
        "rho/trials_ceiling": ceiling(counts[:, : len(STREAMS)] + counts[:, len(STREAMS) :], truth),
        "rho/groups_ceiling": ceiling(np.hstack([counts, groups]), truth),
    }


def _at_level(estimator: TrustEstimator, level: float) -> TrustEstimator:
    """The same fitted estimator with intervals of another level."""
    other: TrustEstimator = copy.copy(estimator).set_params(level=level)
    return other


def _rank_figure(truth: pl.Series, score: pl.Series, seed: int) -> Figure:
    """Rank correlation of two columns; without a value where the score does not exist."""
    if score.null_count() == len(score):
        return Figure(None, n=0)
    return rank_agreement(truth.to_numpy(), {"rho": score.to_numpy()}, seed=seed)["rho"]


def companies(names: Sequence[str], *, customers: int, days: int, seed: int) -> dict[str, dict[str, Figure]]:
    """The study of several kinds of companies, with progress; nothing stays on disk."""
    found = {}
    for name in names:
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="validity-") as folder:
            company = simulate(customers=customers, days=days, seed=seed, company=name)
            under_study = subject(company, Path(folder), seed=seed)
        print(f"  {name:<18} loaded {time.perf_counter() - started:>7.1f} s", flush=True)
        found[name] = study(under_study)
        print(f"  {name:<18} measured {time.perf_counter() - started:>5.1f} s", flush=True)
    return found


def main(
    out: Annotated[Path, typer.Option(help="Folder of the pages")] = Path("docs"),
    customers: Annotated[int, typer.Option(min=100, help="Customers of each company")] = 20_000,
    days: Annotated[int, typer.Option(min=2 * FIRST_NIGHT_DAYS, help="Days of history")] = 1095,
    seed: Annotated[int, typer.Option(min=0, help="Seed: the same seed gives the same pages")] = 1,
) -> None:
    """Simulate companies of every kind, hold the scores against the true trust, and write what was found."""
    print(f"Validity study of {len(KINDS)} companies of {customers:,} customers and {days:,} days", flush=True)
    run = Run(customers=customers, days=days, seed=seed)
    for name, text in pages(companies(tuple(KINDS), customers=customers, days=days, seed=seed), run).items():
        (out / name).write_text(text, encoding="utf-8")
        print(f"  {out / name}")


if __name__ == "__main__":
    typer.run(main)
