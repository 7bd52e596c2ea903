"""Summaries of customers, kept from night to night: which still stand, and the others made anew, a part at a time.

Belongs here: what kept summaries depend on, whom something happened to since, and bringing the tables up to a night.
Must not be here: what a summary is (``trust_models.summaries``), or what scores are made of them (``scoring``).

A summary stands while nothing becomes known of its customer and no day in it falls due. So a night looks at the events
of those customers only to whom something happened; everything else that summaries depend on is in :func:`_made_of`, and
where any of it has changed, all of them are made anew.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import polars as pl

import trust_models
from pipelines.ingest.deliveries import fingerprint
from pipelines.modelling.customer_parts import EVERYBODY, SOURCES, coverage_of, offer_parts, parts
from pipelines.modelling.models import ModelsInUse
from pipelines.modelling.scoring_settings import scoring_settings
from pipelines.sql_files import text
from pipelines.staging import TABLES, require_purchases, spoke_otherwise, variables
from pipelines.warehouse import Warehouse
from trust_models.as_of import EventLog
from trust_models.snapshot import ScoringSettings
from trust_models.summaries import Summaries, anchors, summarise
from trust_models.trial_changes import touched_customers
from trust_models.trial_outcomes import added_up, trial_outcomes

KEPT = "meta.summaries"
TOUCHED, OUTCOMES = "features.touched", "features.trial_outcomes"


@dataclass(frozen=True)
class Shelf:
    """Where the summaries of the day that lies ``days_back`` before the night are kept."""

    name: str
    days_back: int
    has_features: bool

    @property
    def customers(self) -> str:
        """The table with one row a customer."""
        return f"features.customer_{self.name}"

    @property
    def streams(self) -> str:
        """The table with one row a customer and stream."""
        return f"features.stream_{self.name}"

    def day(self, night: date) -> date:
        """The day that the summaries of a night speak of."""
        return night - timedelta(days=self.days_back)


NOW = Shelf("summaries", 0, has_features=True)
BEFORE = Shelf("summaries_before", 30, has_features=False)


@dataclass(frozen=True)
class Brought:
    """What bringing summaries up came to.

    Parameters
    ----------
    made_anew : int
        Customers whose events were looked at.
    because : str or None
        Why it was everybody; None where it was only those to whom something happened.
    """

    made_anew: int
    because: str | None


def bring_up(warehouse: Warehouse, night: date, models: ModelsInUse, shelf: Shelf = NOW) -> Brought:
    """Bring the summaries of a shelf up to a night; they, and what says of what they were made, change together."""
    require_purchases(warehouse)
    settings = models.settings(scoring_settings(warehouse.settings))
    covered = coverage_of(warehouse, settings.as_of(shelf.day(night)))
    made_of = _made_of(warehouse, shelf, night, models, settings, covered)
    because = _why_all(warehouse, shelf, night, made_of)
    since = None if because else _kept_night(warehouse, shelf)
    if since == night:
        return Brought(0, None)
    with warehouse.transaction():
        made_anew = offer_parts(warehouse, EVERYBODY if since is None else _changed(shelf, since, night))
        work = _Work(warehouse, shelf, night, since, models, settings, covered)
        work.clear()
        for log, customers in parts(warehouse):
            work.make(log, customers)
        work.finish()
        row = {"shelf": [shelf.name], "night": [night], "made_of": [json.dumps(made_of)], "made_anew": [made_anew]}
        warehouse.replace_part(KEPT, pl.DataFrame(row | {"because": pl.Series([because], dtype=pl.String)}),
                               "shelf = ?", (shelf.name,))  # fmt: skip
    return Brought(made_anew, because)


def kept_summaries(warehouse: Warehouse, shelf: Shelf, customers: str) -> Summaries:
    """The summaries of the customers who meet a condition, sorted."""
    return Summaries(
        *(
            warehouse.frame(f"select * from {table} where {customers} order by customer_id")
            for table in (shelf.customers, shelf.streams)
        )
    )


def population_interval_days(warehouse: Warehouse) -> float | None:
    """Days between purchases of all customers: ``features.population_interval_days`` of the kept summaries."""
    days, repeats = warehouse.run(
        f"select sum(last_order_date - first_order_date), sum(purchase_days - 1) from {NOW.customers}"
    )[0]
    return int(days) / int(repeats) if repeats else None


class _Work:
    """Making summaries anew, part by part, inside one transaction."""

    def __init__(
        self,
        warehouse: Warehouse,
        shelf: Shelf,
        night: date,
        since: date | None,
        models: ModelsInUse,
        settings: ScoringSettings,
        covered: pl.DataFrame,
    ) -> None:
        self.warehouse = warehouse
        self.shelf = shelf
        self.night = night
        self.as_of = settings.as_of(shelf.day(night))
        self.since = None if since is None else settings.as_of(shelf.day(since))
        self.models = models
        self.settings = settings
        self.covered = covered
        self.outcomes: tuple[list[pl.DataFrame], list[pl.DataFrame]] = ([], [])

    def clear(self) -> None:
        """Take away what will be made anew."""
        for table in (self.shelf.customers, self.shelf.streams):
            if self.since is None:
                self.warehouse.run(f"drop table if exists {table}")
            else:
                self.warehouse.run(f"delete from {table} where customer_id in (select customer_id from wanted)")
        if self.shelf.has_features:
            self.warehouse.replace(TOUCHED, pl.DataFrame(schema={"customer_id": pl.String}))

    def make(self, log: EventLog, wanted: pl.Series) -> None:
        """Make the summaries of a part."""
        is_wanted = pl.col("customer_id").is_in(wanted.implode())
        day, covered = self.as_of.day, self.covered
        summaries, trials = summarise(
            log, day, self.settings, self.models.rhythm, covered=covered, has_features=self.shelf.has_features
        )
        self.warehouse.append(self.shelf.customers, summaries.customers.filter(is_wanted))
        self.warehouse.append(self.shelf.streams, summaries.streams.filter(is_wanted))
        if not self.shelf.has_features:
            return
        touched = touched_customers(log, trials, before=self.as_of.minus(1), now=self.as_of)
        self.warehouse.append(TOUCHED, touched.to_frame().filter(is_wanted))
        for outcomes, of_day in zip(self.outcomes, (self.as_of, self.since), strict=True):
            if of_day is not None:
                known_then = log.known(of_day).collect()
                outcomes.append(
                    trial_outcomes(
                        known_then, as_of=of_day, settings=self.settings.evidence, covered=covered.lazy(),
                        customers=wanted,
                    )
                )  # fmt: skip

    def finish(self) -> None:
        """Keep the outcomes of all customers: those of before, less what was made anew, and that."""
        if self.shelf.has_features:
            new, less = self.outcomes
            old = [] if self.since is None else [self.warehouse.table(OUTCOMES)]
            self.warehouse.replace(OUTCOMES, added_up([*old, *new], less))


def _changed(shelf: Shelf, since: date, night: date) -> str:
    """The query of the customers whose summaries of an earlier night no longer stand."""
    first, last = shelf.day(since), shelf.day(night)
    came_or_went = (
        f"select customer_id from staging.{source} where {column} > date '{first}' and {column} <= date '{last}'"
        for source in SOURCES
        for column in ("known_from", "known_until")
    )
    return " union ".join([f"select customer_id from {shelf.customers} where wakes_on <= date '{last}'", *came_or_went])


def _why_all(warehouse: Warehouse, shelf: Shelf, night: date, made_of: dict[str, str]) -> str | None:
    """Why no kept summary stands, in a word or two; None where they do."""
    if warehouse.settings.is_full:
        return "asked for"
    if not warehouse.has_table(KEPT) or not warehouse.has_table(shelf.customers):
        return "none are kept"
    kept = warehouse.records(f"select night, made_of from {KEPT} where shelf = ?", (shelf.name,))
    if not kept:
        return "none are kept"
    since: date = kept[0]["night"]
    if since > night:
        return f"those of {since} are kept"
    if spoke_otherwise(warehouse, since):
        return "a source was delivered for the first time"
    then = json.loads(kept[0]["made_of"])
    now = made_of | {"deliveries": str(fingerprint(warehouse, since))}
    changed = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    return f"changed: {', '.join(changed)}" if changed else None


def _kept_night(warehouse: Warehouse, shelf: Shelf) -> date:
    night: date = warehouse.value(f"select night from {KEPT} where shelf = ?", (shelf.name,))
    return night


def _made_of(
    warehouse: Warehouse,
    shelf: Shelf,
    night: date,
    models: ModelsInUse,
    settings: ScoringSettings,
    covered: pl.DataFrame,
) -> dict[str, str]:
    """Everything that summaries depend on beside the events of their own customers."""
    erased = warehouse.value("select sum(rows_erased) from meta.loads") if warehouse.has_table("meta.loads") else 0
    return {
        "deliveries": str(fingerprint(warehouse, night)),
        "erasures": str(erased or 0),
        "settings": repr(settings),
        "rhythm": repr(models.rhythm),
        "anchors": repr(anchors(shelf.day(night), settings)),
        "coverage": repr(covered.row(0, named=True)),
        "staging": repr(sorted(variables(warehouse).items(), key=lambda pair: pair[0])),
        "code": _code(),
    }


@lru_cache(maxsize=1)
def _code() -> str:
    """Digest of everything that makes staging and summaries: the models, the SQL, the library."""
    files = sorted(Path(trust_models.__file__).parent.glob("*.py"))
    digest = hashlib.sha256(version("polars").encode())
    for content in (*(file.read_bytes() for file in files), *(text(f"staging/{name}.sql").encode() for name in TABLES)):
        digest.update(content)
    return digest.hexdigest()[:16]
